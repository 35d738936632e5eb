"""`dora train`: shards to a backbone."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from dora.command_end import StoppedError
from dora.commands.places import SHARDS
from dora.config import RunConfig

if TYPE_CHECKING:
    import torch

    from dora.data.description import DataDescription
    from dora.data.picture_folder import PictureSet
    from dora.train.looks import Look
    from dora.train.resuming import Resume


def train(
    *,
    shards: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    data: Path | None = None,
    preset: Literal["dora", "released", "paper", "one-gpu", "smoke"] = "dora",
    recipe: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    arch: str | None = None,
    out: Path | None = None,
    epochs: int | None = None,
    clips_per_epoch: int | Literal["all"] | None = None,
    batch_clips: int | None = None,
    mix: str | None = None,
    shuffle: Literal["auto", "global", "blocks"] | None = None,
    workers: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    resume: Literal["auto", "never"] | Path = "auto",
    probe: Path | None = None,
    probe_every: int | None = None,
    settings: Annotated[list[str], Parameter(name="--set", consume_multiple=True)] = [],  # noqa: B006
    dry_run: bool = False,
) -> None:
    """Pretrain a backbone; a run that was stopped goes on when the command is given again.

    Ctrl-C, SIGTERM and SIGUSR1 let the step in hand finish and save. The exit status is then 75
    after SIGTERM or SIGUSR1 (a scheduler is to give the command again), 2 after Ctrl-C.

    Several processes: `torchrun --nproc-per-node 8 -m dora train ...`; see docs/cluster.md.

    Args:
        shards: shard sets, folders of them, patterns, or addresses such as s3://bucket/shards;
            data/shards if not given.
        data: a folder of pictures instead (DoRA*): each is a clip of one frame, and an epoch is all
            of them once, unless --clips-per-epoch or --mix is given.
        preset: the named run to start from; `smoke` takes a CPU minutes.
        recipe: ablations of the paper laid over it, as `dora recipes` lists them.
        arch: vit_tiny, vit_small, vit_base, or another plain ViT of timm with patches of 16 px.
        out: the run's folder; runs/PRESET if not given, with the names of recipes.
        epochs: number of epochs.
        clips_per_epoch: clips that make an epoch, or `all` starts once (the authors' rule).
        batch_clips: clips of a step, over all processes.
        mix: shares of the clips as NAME=WEIGHT,NAME=WEIGHT; a name is that of a shard set or a
            video, or a pattern of them; what no name matches is left out.
        shuffle: global mixes the clips of all tars; blocks those of a few at a time, so that a
            remote tar is fetched about once a pass; auto takes blocks if any tar is remote.
        workers: processes that read clips, for each training process.
        seed: of weights, order and every draw.
        device: auto, cpu, cuda, or cuda:N.
        resume: auto goes on with the run in the folder, if there is one; never refuses such a
            folder; the path of a checkpoint begins there: one that this run keeps, or another's
            in a folder without a run.
        probe: folder with train/CLASS and val/CLASS on which the teacher is scored by k-NN.
        probe_every: epochs between two scores.
        settings: any other option as NAME=VALUE, such as clip.frames=4.
        dry_run: say what the run would do, and stop.
    """
    from dora.chosen_run import chosen_run
    from dora.config_text import mix_setting
    from dora.data.picture_folder import open_pictures
    from dora.data.staging import shard_cache
    from dora.data.workers import start_server
    from dora.recipes import require_wanted

    asked = {
        "epochs": epochs,
        "data.clips_per_epoch": clips_per_epoch,
        "data.batch_clips": batch_clips,
        "data.shuffle": shuffle,
        "data.workers": workers,
        "seed": seed,
        "log.probe": None if probe is None else json.dumps(str(probe)),
        "log.probe_every": probe_every,
    }
    given = [f"{name}={value}" for name, value in asked.items() if value is not None]
    if mix is not None:
        given.append(mix_setting(mix))
    config = chosen_run(
        preset,
        recipes=recipe,
        arch=arch,
        pictures=data is not None,
        settings=[*given, *settings],
    )
    wanted = shards or ([SHARDS] if data is None else [])
    sets = open_pictures(wanted, data, config=config, cache=shard_cache(config.data))
    require_wanted(recipe, sets)
    if config.data.workers and not dry_run:
        start_server()  # before this process has its own seconds of imports

    from dora.train.distributed import choose_device, place_from_torchrun

    chosen = choose_device(device)
    place = place_from_torchrun()
    if not dry_run:
        folder = out or Path("runs") / config.preset
        _train(config, sets, out=folder, device=chosen, resume=resume)
    elif place.rank == 0:
        from dora.data.description import describe_run

        described = describe_run(
            config, sets, processes=place.world_size, on_gpu=chosen.type == "cuda"
        )
        _say_what_is_ahead(config, described, where=chosen)


def _say_what_is_ahead(
    config: RunConfig, data: "DataDescription", *, where: "torch.device"
) -> None:
    from dora.data.telling import data_lines
    from dora.train.cost import cost_sentence

    print(*data_lines(data, frames=config.clip.frames, where=str(where)), sep="\n")
    print(
        f"  {cost_sentence(config, clips=data.total_steps * config.data.batch_clips)}", flush=True
    )
    for warning in data.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _looks(
    config: RunConfig, sets: "Sequence[PictureSet]", *, device: "torch.device"
) -> "list[Look]":
    from dora.watch.pictures import Pictures
    from dora.watch.probe import Probe
    from wtours.shards import ShardSet

    looks: list[Look] = []
    if config.log.probe is not None:
        every = config.log.probe_every
        probe = Path(config.log.probe)
        looks.append(Probe(probe, every_epochs=every, model=config.model, device=device))
    shards = [each for each in sets if isinstance(each, ShardSet)]
    if config.log.pictures_every and shards:
        looks.append(Pictures(shards, config, device=device))
    return looks


def _train(
    config: RunConfig,
    sets: "Sequence[PictureSet]",
    *,
    out: Path,
    device: "torch.device",
    resume: "Resume",
) -> None:
    from contextlib import ExitStack

    from dora.progress import Advance, progress
    from dora.train.distributed import place_from_torchrun
    from dora.train.forecast import Forecast
    from dora.train.launch import Beginning, launch
    from dora.train.trainer import StepRecord

    with ExitStack() as bars:
        shown: list[tuple[Advance, Forecast]] = []

        def begins(ahead: Beginning) -> None:
            _say_what_is_ahead(config, ahead.data, where=device)
            if ahead.step:
                print(f"{out}: going on after step {ahead.step} of {ahead.total_steps}", flush=True)
            bar = bars.enter_context(progress("training", ahead.total_steps))
            shown.append((bar, Forecast(ahead.total_steps - ahead.step)))

        def report(record: StepRecord, clips_hz: float) -> None:
            advance, forecast = shown[0]
            loss = record.figures["loss"]
            advance(record.step + 1, f"loss {loss:.3f}, {clips_hz:.3g} clips/s")
            sentence = forecast.after(record.figures["step_s"])
            if sentence is not None:
                print(sentence, file=sys.stderr)

        outcome = launch(
            config,
            sets,
            out=out,
            device=device,
            begins=begins,
            report=report,
            resume=resume,
            looks=_looks(config, sets, device=device),
        )
    if place_from_torchrun().rank == 0:
        done = f"{outcome.checkpoint}: step {outcome.step} of {outcome.total_steps}"
        stopped = outcome.step < outcome.total_steps
        print(f"{done}; give the same command again to go on" if stopped else done)
    if outcome.step < outcome.total_steps:
        raise StoppedError(outcome.signal)
