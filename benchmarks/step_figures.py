"""What is said of a step beside its time: memory, operations, and what a run would take."""

import gc
from collections.abc import Callable, Mapping

import torch
from torch import nn

from benchmarks.live_bytes import LiveBytes
from benchmarks.measure import Clock
from dora.config import RunConfig

PAPER_FRAMES = 100 * 200_000 * 8
"""Of the paper's run: 100 epochs of 0.2 million clips of 8 frames."""


def memory_mib(
    step: Callable[[], object],
    networks: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> float:
    """Return the most memory of a step: networks, the optimiser's state, and what a step makes.

    On a GPU by its allocator; on a CPU the bytes of all tensors, without what is inside of an
    operation.
    """
    optimizer.zero_grad(set_to_none=True)
    gc.collect()
    state = [value for one in optimizer.state.values() for value in one.values()]
    resident = [*networks.parameters(), *networks.buffers(), *state]
    resident_bytes = sum(one.numel() * one.element_size() for one in resident)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        made_bytes = torch.cuda.max_memory_allocated(device) - before
    else:
        with LiveBytes() as live:
            live.know(*resident)
            step()
        made_bytes = live.most
    return round((resident_bytes + made_bytes) / 2**20, 1)


def rates(
    tflop: float, step_s: float, *, clips: int, peak_tflops: float | None
) -> dict[str, float | None]:
    """Return operations and their rate, beside the peak that the device's maker states."""
    rate = tflop / step_s
    return {
        "tflop": float(f"{tflop:.3g}"),
        "tflop_per_clip": float(f"{tflop / clips:.3g}"),
        "gflop_per_s": round(1000 * rate),
        "utilisation": None if peak_tflops is None else float(f"{rate / peak_tflops:.3g}"),
    }


def paper_run_hours(frames_hz: float) -> dict[str, float]:
    """Return the hours of 100 epochs of 0.2 million clips of 8 frames at a rate of frames.

    On 8 devices an eighth of one's: what the reduction of gradients adds is not in it.
    """
    hours = PAPER_FRAMES / frames_hz / 3600
    return {devices: float(f"{hours / int(devices):.3g}") for devices in ("1", "8")}


def matrix_gflop_per_s(config: RunConfig, device: torch.device) -> float:
    """Return the rate of the first product of an MLP on many tokens, forward: a bound, 10^9/s."""
    tokens, width = 6400, config.model.width
    half = device.type == "cuda" and config.precision == "bf16"
    dtype = torch.bfloat16 if half else torch.float32
    inputs = torch.randn(tokens, width, device=device, dtype=dtype)
    layer = torch.nn.Linear(width, 4 * width, device=device, dtype=dtype)
    clock, rates_ = Clock(device), []
    with torch.no_grad():
        for _ in range(6):
            start = clock.now()
            layer(inputs)
            rates_.append(8e-9 * tokens * width**2 / (clock.now() - start))
    return max(rates_)


def parts_ms(parts_s: Mapping[str, float], *, runs: int, step_s: float) -> dict[str, float]:
    """Return the mean time of each part of a step, and of what is in none, ms.

    Args:
        parts_s: sums over the runs in which parts were timed.
        runs: how many they were.
        step_s: mean of the runs in which they were not.
    """
    parts = {name: passed_s / runs for name, passed_s in parts_s.items()}
    parts["the rest"] = step_s - sum(parts.values())
    return {name: round(1000 * part_s, 1) for name, part_s in parts.items()}
