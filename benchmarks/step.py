"""Clips a second of the training step, part by part, beside the published structure's.

    python -m benchmarks.step [--sizes smoke vit_small] [--device cpu] [--threads 2] [--runs 3]
        [--precision bf16] [--compile] [--bare] [--peak-tflops 989] [--clips N] [--frames T]

Both get the same networks, crops and heads; before any clock runs, two steps are shown to give the
same losses (stochastic depth is off, since it cannot be drawn alike). `released` and `vit_small`
have the released code's networks and views, with 2 clips of 2 or 4 frames instead of 128 of 8. The
ways take turns; parts are timed in turns of their own, since on a GPU each end of a part is waited
for. `--bare` adds the student's backbone alone, forward and backward over the same images.
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bare_backbone import bare_pass, student_images
from benchmarks.measure import alternate, spread
from benchmarks.record import options_of, write_record
from benchmarks.step_figures import (
    matrix_gflop_per_s,
    memory_mib,
    paper_run_hours,
    parts_ms,
    rates,
)
from benchmarks.step_sizes import PAPER_SIZES, SIZES, sized
from benchmarks.step_ways import OURS, PLAIN, Way, both_ways, random_views, same_heads
from dora.config import RunConfig

BARE = "bare backbone"
LARGEST_DIFFERENCE = {"float32": 1e-4, "bf16": 0.05}
"""Of the losses, relative: sums in another order, and single patches at the masks' threshold."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options; compare and time every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=["smoke"])
    parser.add_argument("--clips", type=int, help="clips of a step, instead of the size's own")
    parser.add_argument("--frames", type=int, help="frames of a clip, instead of the size's own")
    parser.add_argument("--precision", choices=sorted(LARGEST_DIFFERENCE), default="float32")
    parser.add_argument("--compile", action="store_true", help="compile our backbones")
    parser.add_argument("--bare", action="store_true", help="time the backbone alone, too")
    parser.add_argument("--bare-eager", action="store_true", help="likewise, not compiled")
    parser.add_argument("--peak-tflops", type=float, help="the device's, as its maker states it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU")
    options = options_of(parser, runs=3, tokens=tokens)
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        device = torch.device(options.device)
        rows = [
            row for size in options.sizes for row in compare(sized(size, options), device, options)
        ]
    finally:
        torch.set_num_threads(threads)
    write_record("step", rows, folder=options.out)


def compare(
    config: RunConfig, device: torch.device, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return a row for our step, one for the plain step, and where asked for, for the backbone."""
    runs, clips = options.runs, config.data.batch_clips
    views = random_views(config).to(device)
    heads = list(range(config.tracker.objects))
    with same_heads(heads, clips=clips):
        ways = both_ways(config, views, heads)
        tflop = require_same_losses(
            ways[OURS].step, ways[PLAIN].step, largest=LARGEST_DIFFERENCE[config.precision]
        )
        memory = {
            name: memory_mib(way.step, way.networks, way.optimizer, device)
            for name, way in ways.items()
        }
        sources = {name: way.step for name, way in ways.items()}
        if options.bare or options.bare_eager:
            backbone = ways[OURS].networks.get_submodule("student.backbone")
            sources[BARE] = bare_pass(config, backbone, views, compiled=options.bare)
            eager = torch.compiler.set_stance("force_eager")
            with eager, FlopCounterMode(display=False) as counted:
                sources[BARE]()
            tflop[BARE] = counted.get_total_flops() / 1e12
        passed_s = alternate(sources, runs=runs)
        alternate({name: way.watched for name, way in ways.items()}, runs=runs)
    images = sum(len(stack) for stack in student_images(config, views))
    return [
        {
            "name": name,
            "size": config.preset,
            "device": device.type,
            "threads": torch.get_num_threads(),
            "precision": config.precision if device.type == "cuda" else "float32",
            "compiled": (name == OURS and config.compute.compile)
            or (name == BARE and options.bare),
            "clips": clips,
            "frames": config.clip.frames,
            "step_ms": spread([1000 * one_s for one_s in run_s]),
            "student_images_hz": spread([images / one_s for one_s in run_s]),
            "beside_plain": spread([a / b for a, b in zip(passed_s[PLAIN], run_s, strict=True)]),
            **rates(tflop[name], median(run_s), clips=clips, peak_tflops=options.peak_tflops),
            **(_whole_step(config, ways[name], run_s, runs) if name in ways else {}),
            **({"memory_mib": memory[name]} if name in memory else {}),
            "matrix_gflop_per_s": round(matrix_gflop_per_s(config, device)),
        }
        for name, run_s in passed_s.items()
    ]


def require_same_losses(
    our_step: Callable[[], float], plain_step: Callable[[], float], *, largest: float
) -> dict[str, float]:
    """Stop if two steps give other losses; return the floating-point operations of a step, 10^12.

    Matrix products and attention are counted, a multiplication and an addition as two. Equal losses
    of the second step mean equal updates in the first.
    """
    losses = [our_step(), plain_step()]
    tflop = {}
    for name, step in ((OURS, our_step), (PLAIN, plain_step)):
        # Compiled programs hide their operations from the counter.
        with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counted:
            losses.append(step())
        tflop[name] = counted.get_total_flops() / 1e12
    for one, other in (losses[:2], losses[2:]):
        assert abs(one - other) <= largest * other, f"other losses: {losses}"
    return tflop


def _whole_step(config: RunConfig, way: Way, run_s: list[float], runs: int) -> dict[str, Any]:
    """Return what can be said of a whole step alone."""
    clips, frames = config.data.batch_clips, config.clip.frames
    return {
        "clips_hz": spread([clips / one_s for one_s in run_s]),
        "parts_ms": parts_ms(way.clock.parts_s, runs=runs, step_s=fmean(run_s)),
        **(
            {"paper_run_hours": paper_run_hours(clips * frames / median(run_s))}
            if config.preset in PAPER_SIZES
            else {}
        ),
    }


if __name__ == "__main__":
    main()
