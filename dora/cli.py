"""`dora train | eval | visualise | export`: each command is its arguments, one call, one result."""

import dataclasses
import errno
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from cyclopts import App, Parameter
from rich.console import Console

from dora.config import RunConfig
from dora.errors import DoraError
from wtours.shards import ShardError, ShardSet

if TYPE_CHECKING:
    import torch
    from rich.progress import Progress

    from dora.data.description import DataDescription
    from dora.visualise.shown_clip import ClipChoice

SHARDS = "data/shards"

app = App(
    name="dora",
    version=version("wtours"),
    help="Pretrain a ViT on shards of video by discovering and tracking objects.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `main` says what was stopped
    help_epilogue="Every command takes --debug, which shows the traceback of an error.",
)
evaluations = App(name="eval", help="What a backbone is worth, by the paper's protocols.")
pictures = App(name="visualise", help="What a backbone attends to and follows.")
app.command(evaluations)
app.command(pictures)
app.register_install_completion_command()


@app.command
def train(
    *,
    shards: Annotated[list[str], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    preset: Literal["dora", "released", "paper", "smoke"] = "dora",
    out: Path | None = None,
    epochs: int | None = None,
    clips_per_epoch: int | Literal["all"] | None = None,
    batch_clips: int | None = None,
    mix: str | None = None,
    shuffle: Literal["auto", "global", "blocks"] | None = None,
    workers: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    settings: Annotated[list[str], Parameter(name="--set", consume_multiple=True)] = [],  # noqa: B006
    dry_run: bool = False,
) -> None:
    """Pretrain a backbone; a run that was stopped goes on when the command is given again.

    Several processes: `torchrun --nproc-per-node 8 -m dora train ...`.

    Args:
        shards: shard sets, folders of them, patterns, or addresses such as s3://bucket/shards.
        preset: the named run to start from; `smoke` takes a CPU minutes.
        out: the run's folder; runs/PRESET if not given.
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
        settings: any other option as NAME=VALUE, such as clip.frames=4.
        dry_run: say what the run would do, and stop.
    """
    from dora.config_text import mix_setting, with_settings
    from dora.data.staging import shard_cache
    from dora.data.workers import start_server
    from dora.presets import named_preset
    from wtours.shards import open_shards

    asked = {
        "epochs": epochs,
        "data.clips_per_epoch": clips_per_epoch,
        "data.batch_clips": batch_clips,
        "data.shuffle": shuffle,
        "data.workers": workers,
        "seed": seed,
    }
    given = [f"{name}={value}" for name, value in asked.items() if value is not None]
    if mix is not None:
        given.append(mix_setting(mix))
    config = with_settings(named_preset(preset), [*given, *settings])
    sets = open_shards(*shards, cache=shard_cache(config.data))
    if config.data.workers and not dry_run:
        start_server()  # before this process has its own seconds of imports

    from dora.train.distributed import choose_device, place_from_torchrun

    chosen = choose_device(device)
    place = place_from_torchrun()
    if not dry_run:
        _train(config, sets, out=out or Path("runs") / preset, device=chosen)
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

    print(*data_lines(data, frames=config.clip.frames, where=str(where)), sep="\n", flush=True)
    for warning in data.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _train(
    config: RunConfig, sets: Sequence[ShardSet], *, out: Path, device: "torch.device"
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

        outcome = launch(config, sets, out=out, device=device, begins=begins, report=report)
    if place_from_torchrun().rank == 0:
        done = f"{outcome.checkpoint}: step {outcome.step} of {outcome.total_steps}"
        stopped = outcome.step < outcome.total_steps
        print(f"{done}; give the same command again to go on" if stopped else done)
    if outcome.step < outcome.total_steps:
        raise StoppedError


class StoppedError(Exception):
    """A signal ended the command after it had saved; all is said."""


@evaluations.command
def knn(
    *,
    weights: str,
    data: Path,
    k: Annotated[list[int], Parameter(consume_multiple=True)] = [10, 20, 100, 200],  # noqa: B006
    temperature: float = 0.07,
    image_px: int | None = None,
    batch: int = 128,
    workers: int = 2,
    device: str = "auto",
    heads: int | None = None,
    out: Path | None = None,
) -> None:
    """Classify pictures by a vote of their nearest neighbours among frozen features.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        data: a folder with train/CLASS and val/CLASS.
        k: numbers of neighbours.
        temperature: of the votes.
        image_px: side of the pictures; the backbone's own if not given.
        batch: pictures at a time.
        workers: threads that read pictures.
        device: auto, cpu, cuda, or cuda:N.
        heads: attention heads, where the file of weights does not tell.
        out: a JSON file for the scores and everything that was chosen.
    """
    from dora.eval.features import load_evaluated
    from dora.eval.knn import evaluate_knn
    from dora.eval.records import knn_table, write_record
    from dora.train.distributed import choose_device

    backbone, label = load_evaluated(weights, heads=heads)
    with _bars() as progress:
        result = evaluate_knn(
            backbone,
            data,
            ks=tuple(k),
            temperature=temperature,
            image_px=image_px,
            batch=batch,
            device=choose_device(device),
            workers=workers,
            progress=progress,
        )
    Console().print(knn_table({label: result}))
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if out is not None:
        write_record(out, result, weights=label)
        print(out)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """Which clip of which video is shown."""

    shards: Annotated[list[str], Parameter(consume_multiple=True)] = dataclasses.field(
        default_factory=lambda: [SHARDS]
    )
    """Shard sets, or folders of them."""
    video: str | None = None
    """Name of the video; the first if not given."""
    start_s: float | None = None
    """The first clip from this time of the video on, in seconds."""
    clip: int | None = None
    """Number of the clip in the video, instead of a time."""
    frames: int | None = None
    """Frames; as in training if not given."""
    seconds: float | None = None
    """Every kept frame of so many seconds, instead of a clip's."""
    side_px: int | None = None
    """Short side at which the network looks; more gives finer maps."""
    heads: int | None = None
    """Attention heads, where the file of weights does not tell."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""


@pictures.command
def tracks(
    *,
    weights: str,
    shown: Annotated[Shown, Parameter(name="*")] = Shown(),
    out: Path = Path("data/tracks"),
    seed: int = 0,
) -> None:
    """Show the objects of a clip as a video and a contact sheet, one colour an object.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        shown: which clip.
        out: folder for the pictures.
        seed: of the attention heads that propose the objects.
    """
    from dora.train.distributed import choose_device
    from dora.visualise.tracks import visualise_tracks

    with _bars() as progress:
        paths = visualise_tracks(
            weights,
            shown.shards,
            out=out,
            choice=_choice(shown),
            side_px=shown.side_px,
            heads=shown.heads,
            seed=seed,
            device=choose_device(shown.device),
            progress=progress,
        )
    print(*paths, sep="\n")


@pictures.command
def attention(
    *,
    weights: str,
    shown: Annotated[Shown, Parameter(name="*")] = Shown(),
    out: Path = Path("data/attention"),
) -> None:
    """Show what [CLS] attends to in the last block, head by head.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        shown: which clip.
        out: folder for the pictures.
    """
    from dora.train.distributed import choose_device
    from dora.visualise.attention import visualise_attention

    with _bars() as progress:
        paths = visualise_attention(
            weights,
            shown.shards,
            out=out,
            choice=_choice(shown),
            side_px=shown.side_px,
            heads=shown.heads,
            device=choose_device(shown.device),
            progress=progress,
        )
    print(*paths, sep="\n")


@app.command
def export(
    *,
    weights: Path,
    out: Path,
    network: Literal["teacher", "student"] = "teacher",
    heads: int | None = None,
) -> None:
    """Write a backbone as safetensors that plain timm loads, and a model card beside it.

    Args:
        weights: a checkpoint of any form.
        out: the safetensors file.
        network: which of a training checkpoint's two.
        heads: attention heads, where the file does not tell.
    """
    from dora.model.card import write_card
    from dora.model.weights import export_timm, read_weights

    read = read_weights(weights, network=network)
    model = read.model(heads=heads)
    export_timm(read.backbone, out, model=model)
    card = write_card(out, model=model, source=read.source)
    print(out, card, sep="\n")


def _choice(shown: Shown) -> "ClipChoice":
    from dora.visualise.shown_clip import ClipChoice

    names = [field.name for field in dataclasses.fields(ClipChoice)]
    return ClipChoice(**{name: getattr(shown, name) for name in names})


def _bars() -> "Progress":
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 2 for a user's mistake and 1 for what is not theirs."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    debug = "--debug" in given
    with _stops() as stopped:
        try:
            app([token for token in given if token != "--debug"], result_action="return_value")
        except StoppedError:
            sys.exit(2)
        except (Exception, KeyboardInterrupt) as fault:
            # An import turns an interrupt into any error it likes.
            if not stopped and not isinstance(
                fault, DoraError | ShardError | OSError | KeyboardInterrupt
            ):
                raise
            if debug:
                traceback.print_exc()
            text, status = _explain(KeyboardInterrupt() if stopped else fault)
            print(f"dora: {text}", file=sys.stderr)
            sys.exit(status)
        sys.stdout.flush()
    sys.exit(0)


class InterruptedRunError(KeyboardInterrupt):
    """A signal; Python ends itself by SIGINT if code run from C meets a plain KeyboardInterrupt."""


@contextmanager
def _stops() -> Iterator[list[int]]:
    """Make SIGTERM an interrupt as SIGINT is; yield the signals that came."""
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        came.append(number)
        raise InterruptedRunError

    if current_thread() is not main_thread():
        yield came
        return
    earlier = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _explain(fault: BaseException) -> tuple[str, int]:
    if isinstance(fault, KeyboardInterrupt):
        return "stopped; give the same command again", 2
    if isinstance(fault, OSError):
        place = fault.filename or "the disk"
        if fault.errno == errno.ENOSPC:
            return f"{place}: no room left; make some, then give the same command again", 2
        return f"{place}: {fault.strerror or fault}; see what holds it, then try again", 1
    return str(fault), 2
