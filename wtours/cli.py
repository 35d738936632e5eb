"""The program `wtours`: its commands, put together."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from cyclopts import App, Parameter

from wtours.command_end import end_with
from wtours.commands.places import SHARDS, VIDEOS, WEIGHTS
from wtours.commands.shards import audit, blur, card, cuts, shard
from wtours.commands.videos import doctor, fetch, verify
from wtours.progress import progress_bars

app = App(
    name="wtours",
    version=version("wtours"),
    help="Turn first-person videos into training data that can be trusted.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `main` says what was stopped
    help_epilogue="Every command takes --debug, which shows the traceback of an error.",
)
app.register_install_completion_command()
for command in (fetch, verify, cuts, blur, shard, audit, card):
    app.command(command)


@app.command
def analyze(
    videos: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006
    /,
    *,
    shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    group: Annotated[list[str], Parameter(negative="")] = [],  # noqa: B006
    domain: Annotated[list[str], Parameter(negative="")] = [],  # noqa: B006
    out: Path = Path("data/analysis"),
    detector: str | None = None,
    source: Annotated[Literal["shards", "videos"], Parameter(name="--from")] = "shards",
    shots: str | None = None,
    weights: Path | None = None,
    vocabulary: Path | None = None,
    names: Path | None = None,
    threshold: float = 0.5,
    least_score: float = 0.3,
    batch: int = 8,
    device: str | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    compile: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 - the word of torch
    match_duration: Annotated[bool, Parameter(negative="")] = False,
    duration_s: float | None = None,
    part: Literal["first", "random"] = "first",
    seed: int = 0,
    truth: Path | None = None,
    download: Literal["detic"] | None = None,
) -> None:
    """Write lightness over time, objects and shots as tables, figures and one page.

    Shards are analysed; their videos are needed for --from videos and --shots alone.

    Args:
        videos: the videos that the shards were made from, or folders of them, known by their bytes;
            by default data/videos.
        shards: shard sets, or folders of them.
        group: instead of --shards, and as often as there are groups: a name and where its sets are,
            such as "WTours=data/shards/*".
        domain: what a group shows, such as "WTours=walks through cities", for Table 1.
        out: folder for index.html, tables/ and figures/.
        detector: finds objects: detic, torchvision:NAME, hf:ORG/NAME, onnx:FILE or
            detectron2:CONFIG. Without one, objects are not counted.
        source: where objects are counted: in the pictures of the shards, or in the same frames of
            the videos, in full size.
        shots: a further detector of shots that is compared with those of the shards: transnet
            (TransNetV2), or transnet:FILE with other weights. It sees every frame of the videos.
        weights: file of the detector's weights; detic needs one.
        vocabulary: for detic, a .npy of text embeddings in place of the checkpoint's classes.
        names: file of class names, one a line; zero-shot detectors look for these.
        threshold: least score of an object that counts in figures, 0 to 1.
        least_score: least score of a box that is kept, 0 to 1.
        batch: pictures that a detector sees at a time.
        device: such as cpu or cuda:0; by default a GPU where there is one.
        dtype: of a network's large layers.
        compile: let torch compile the network.
        match_duration: compare stretches of one duration: that of the shortest video or group.
        duration_s: of so many seconds instead.
        part: which part of each video is compared, its beginning or one drawn at random.
        seed: of that draw.
        truth: CSV file of true cuts (video,frame), by which cut detectors are scored.
        download: fetch the weights of a detector into data/weights, and do nothing else.
    """
    from analysis.detectors.weights import download_detic
    from analysis.run import Detection, Matching, analyse
    from wtours.fetch.file import bring_file

    with progress_bars() as advance:
        if download is not None:
            path = download_detic(
                WEIGHTS,
                bring=bring_file,
                progress=lambda done, total: advance("fetching weights", done, total, ""),
            )
            print(f"{path}: give --detector detic --weights {path}")
            return
        report = analyse(
            out,
            shards=shards,
            groups=group,
            domains=domain,
            detection=None
            if detector is None
            else Detection(
                detector=detector,
                weights=weights,
                vocabulary=vocabulary,
                names=names,
                least_score=least_score,
                batch=batch,
                device=device,
                dtype=dtype,
                compile=compile,
            ),
            source=source,
            shots=shots,
            videos=videos or ([VIDEOS] if source == "videos" or shots is not None else []),
            threshold=threshold,
            matching=Matching(duration_s=duration_s, part=part, seed=seed)
            if match_duration or duration_s is not None
            else None,
            truth=truth,
            tell=lambda task, step, share: advance(task, share, 1.0, step),
        )
    if report is not None:
        print(report.page)


@app.command
def demo(*, out: Path = Path("data/demo")) -> None:
    """Do everything once on a small rendered walk, in about five minutes.

    Args:
        out: folder for all that it makes.
    """
    from wtours.demo import run_demo

    run_demo(out)


app.command(doctor)


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 2 for a user's mistake and 1 for what is not theirs."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    words = [token for token in given if token != "--debug"]
    end_with(lambda: app(words, result_action="return_value"), debug="--debug" in given)
