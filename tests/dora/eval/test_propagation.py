import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from dora.errors import DoraError
from dora.eval.propagation import Propagation, PropagationConfig, propagate_labels
from tests.references import propagation as plain


def features(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    grid=st.sampled_from([(1, 1), (1, 9), (6, 4), (7, 10)]),
    frames=st.integers(1, 3),
    radius=st.sampled_from([0, 1, 3, 20]),
    top_k=st.sampled_from([1, 5, 40]),
    temperature=st.sampled_from([0.05, 0.1, 3.0]),
    tile=st.sampled_from([2, 3, 8]),
)
def test_labels_equal_those_of_the_dense_version(
    seed: int,
    grid: tuple[int, int],
    frames: int,
    radius: int,
    top_k: int,
    temperature: float,
    tile: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    queries, keys = features(generator, *grid, 6), features(generator, frames, *grid, 6)
    labels = torch.softmax(features(generator, frames, *grid, 3), dim=-1)
    top_k = min(top_k, frames * grid[0] * grid[1])
    expected = plain.propagate(
        queries, keys, labels, top_k=top_k, radius=radius, temperature=temperature
    )
    found = propagate_labels(
        functional.normalize(queries, dim=-1),
        functional.normalize(keys, dim=-1),
        labels,
        config=PropagationConfig(radius=radius, top_k=top_k, temperature=temperature),
        tile=tile,
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(grid, dtype=torch.float64))


def test_patches_equally_alike_all_lend_their_labels() -> None:
    """As in DINO's script: what equals the last of the best five is not cut off."""
    keys = torch.ones(1, 4, 5, 2) / 2**0.5
    labels = functional.one_hot(torch.arange(20).view(1, 4, 5), 20).float()
    found = propagate_labels(keys[0], keys, labels, config=PropagationConfig(radius=9))
    torch.testing.assert_close(found, torch.full((4, 5, 20), 0.05))


def test_small_temperature_does_not_overflow() -> None:
    keys = functional.normalize(torch.randn(1, 3, 3, 4, generator=torch.Generator()), dim=-1)
    labels = functional.one_hot(torch.arange(9).view(1, 3, 3), 9).float()
    found = propagate_labels(keys[0], keys, labels, config=PropagationConfig(temperature=1e-3))
    torch.testing.assert_close(found, labels[0])


def carry(frames: list[Tensor], first: Tensor, **options: float) -> list[Tensor]:
    propagation = Propagation(frames[0], first, PropagationConfig(**options))
    return [propagation.step(frame) for frame in frames[1:]]


def moving_square(steps: int) -> tuple[list[Tensor], list[Tensor]]:
    """Features and labels of a square of 2 x 2 patches, each different, that moves right."""
    ground = torch.eye(12)[torch.arange(6 * 10).view(6, 10) % 6]
    frames, labels = [], []
    for step in range(steps):
        frame, label = ground.clone(), torch.zeros(6, 10, dtype=torch.int64)
        frame[2:4, step : step + 2] = torch.eye(12)[torch.tensor([[8, 9], [10, 11]])]
        label[2:4, step : step + 2] = 1
        frames.append(3 * frame)
        labels.append(functional.one_hot(label, 2).float())
    return frames, labels


def test_square_that_moves_by_whole_patches_is_followed_exactly() -> None:
    frames, labels = moving_square(9)
    found = carry(frames, labels[0], temperature=0.01, top_k=1, radius=12)
    for mask, truth in zip(found, labels[1:], strict=True):
        torch.testing.assert_close(mask, truth)


def test_what_moves_farther_than_the_radius_is_lost() -> None:
    frames, labels = moving_square(5)
    jump = [frames[0], frames[4]]
    (within,) = carry(jump, labels[0], radius=4, top_k=1)
    (beyond,) = carry(jump, labels[0], radius=3, top_k=1)
    torch.testing.assert_close(within, labels[4])
    # Only the patches of the object at most three columns apart could lend their labels, and
    # those are not alike.
    assert (beyond[2:4, 4:6, 1] < 0.5).all()


def test_only_the_first_and_the_last_frames_are_looked_at() -> None:
    """A mark lasts as long as the frame that bears it is among those looked at."""
    generator = torch.Generator().manual_seed(0)
    frames = [features(generator, 3, 3, 8).float() for _ in range(6)]
    first = functional.one_hot(torch.arange(9).view(3, 3), 9).float()
    for last_frames in (0, 1, 3):
        propagation = Propagation(
            frames[0], first, PropagationConfig(last_frames=last_frames, top_k=9)
        )
        labels = [first]
        for number, frame in enumerate(frames[1:], start=1):
            looked = [0, *range(max(1, number - last_frames), number)]
            expected = plain.propagate(
                frame,
                torch.stack([frames[i] for i in looked]),
                torch.stack([labels[i] for i in looked]),
                top_k=9,
                radius=12,
                temperature=0.1,
            )
            labels.append(propagation.step(frame))
            torch.testing.assert_close(labels[-1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"last_frames": -1}, "-1 frames"),
        ({"top_k": 0}, "labels of 0"),
        ({"radius": -1}, "radius"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
    ],
)
def test_option_out_of_its_range_is_refused(options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        PropagationConfig(**options)
