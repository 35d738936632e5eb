"""The published forms of the method and plain DINO, trained small on the same clips.

    python -m benchmarks.side_by_side --shards SHARDS --probe FOLDER --work FOLDER

Every row has the same small ViT, the same clips in the same order, as many steps, and the same
schedules of rate, temperature and momentum, tried out for these sizes instead of the presets' own;
tracker, masks, loss, views and optimiser are the presets'. LARS has the printed 5e-4, which the
print's scaling by the batch would make 1.6e-5.

Runs use a thread, one after another; one that is whole is not trained again, one that was stopped
goes on, and two such commands with other `--rows` share the work. Scores are k-NN of the teacher's
features on the labelled folder, from the untrained network on.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from dora.config import RunConfig
from dora.config_text import mix_setting, with_settings
from dora.presets import named_preset, smoke
from dora.recipes import with_recipes
from dora.runs.curves import read_curves
from dora.train.launch import launch
from dora.watch.probe import Probe
from wtours.shards import open_shards

ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dora": ("dora", ()),
    "released": ("released", ()),
    "paper": ("paper", ()),
    "paper, AdamW": ("paper", ("adamw",)),
    "random masks": ("dora", ("random-masks",)),
    "DINO": ("dora", ("dino",)),
}
"""Preset and recipes of each row."""
LR, TEMPERATURE, MOMENTUM = 2e-4, 0.04, 0.996
"""Of all rows, but for the rate of LARS."""
SMALLEST_PX = 112
"""First crop of rows that crop without resizing: videos of 160x120 px are to hold it."""
SCORE = "knn/20"
BOTH = ("loss", "teacher_entropy", "teacher_kl_to_uniform", "feature_std")
OBJECTS = ("mask_area/0", "mask_area/1", "mask_area/2", "mask_overlap", "empty_masks")
SHARE_AT_EACH_END = 0.05
"""Of a run's steps, over which a figure is averaged at its start and at its end."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training."""

    row: str
    seed: int
    out: Path
    shards: tuple[str, ...]
    config: RunConfig


def main(tokens: Sequence[str] | None = None) -> None:
    """Train what is missing, then write the record of all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", nargs="+", required=True)
    parser.add_argument("--mix", help="shares of the clips, as `dora train --mix` takes them")
    parser.add_argument("--probe", type=Path, required=True, help="train/CLASS and val/CLASS")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--epochs", type=int, default=5, help="each ends with a score")
    parser.add_argument("--clips-per-epoch", type=int, default=1600)
    options = options_of(parser, runs=3, tokens=tokens)
    runs = [
        Run(
            row=row,
            seed=seed,
            out=options.work / f"{row.replace(', ', '-').replace(' ', '-')}-{seed}",
            shards=tuple(options.shards),
            config=small(row, seed=seed, options=options),
        )
        for seed in range(options.runs)
        for row in options.rows
    ]
    torch.set_num_threads(1)
    for run in runs:
        _train(run)
    rows = [_figures(row, [run for run in runs if run.row == row]) for row in options.rows]
    write_record("side_by_side", rows, folder=options.out)


def small(row: str, *, seed: int, options: argparse.Namespace) -> RunConfig:
    """Return a row's method at the sizes and schedules of the preset `smoke`."""
    preset, recipes = ROWS[row]
    config, little = with_recipes(named_preset(preset), recipes), smoke()
    views, local = config.augment.global_views, config.augment.local_view
    optim, schedules = config.optim, little.optim
    plain = config.augment.first_crop == "plain"
    config = replace(
        config,
        epochs=options.epochs,
        seed=seed,
        precision="float32",
        clip=replace(config.clip, frames=little.clip.frames),
        augment=replace(
            config.augment,
            first_px=SMALLEST_PX if plain else little.augment.first_px,
            global_views=tuple(replace(view, px=96) for view in views),
            local_view=replace(local, px=48),
            local_crops=little.augment.local_crops,
        ),
        model=little.model,
        head=little.head,
        optim=replace(
            schedules,
            name=optim.name,
            lr=optim.lr if optim.name == "lars" else LR,
            teacher_temperature=(TEMPERATURE, TEMPERATURE),
            teacher_momentum=(MOMENTUM, 1.0),
        ),
        data=replace(
            little.data, clips_per_epoch=options.clips_per_epoch, shuffle="global", workers=0
        ),
        log=replace(config.log, pictures_every=0, probe=str(options.probe)),
    )
    return with_settings(config, [mix_setting(options.mix)] if options.mix else [])


def _train(run: Run) -> None:
    cpu = torch.device("cpu")
    every = run.config.log.probe_every
    folder = Path(str(run.config.log.probe))
    probe = Probe(folder, every_epochs=every, model=run.config.model, device=cpu)
    outcome = launch(
        run.config,
        open_shards(*run.shards),
        out=run.out,
        device=cpu,
        begins=lambda ahead: None,
        report=lambda record, clips_hz: None,
        looks=[probe],
        say=lambda line: print(f"{run.out.name}: {line}", file=sys.stderr, flush=True),
    )
    if outcome.step < outcome.total_steps:
        sys.exit(f"{run.out} was stopped; the same command goes on")


def _figures(row: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Return a row's figures: of each run in the order of seeds, or the spread over them."""
    config = runs[0].config
    objects = config.method == "dora" and config.tracker.mask != "blocks"
    names = [SCORE, "step_s", *BOTH, *(OBJECTS if objects else ())]
    curves = [read_curves(run.out, names) for run in runs]
    scores = [curve[SCORE] for curve in curves]
    found: dict[str, Any] = {
        "name": row,
        "seeds": [run.seed for run in runs],
        "steps": len(curves[0]["loss"].values),
        "clips": config.data.batch_clips * len(curves[0]["loss"].values),
        "step_s": spread([value for curve in curves for value in curve["step_s"].values]),
        "score_steps": list(scores[0].steps),
        SCORE: [[round(value, 4) for value in score.values] for score in scores],
    }
    for name in names[2:]:
        ends = [_ends(curve[name].values) for curve in curves]
        found[name] = {
            "first": spread([first for first, _ in ends]),
            "last": spread([last for _, last in ends]),
        }
    return found


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the means of a figure at the start and at the end of a run."""
    count = max(1, round(SHARE_AT_EACH_END * len(values)))
    return mean(values[:count]), mean(values[-count:])


if __name__ == "__main__":
    main()
