"""The whole road on the sample walk: every command as a user types it, run as a process."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from wtours.errors import WtoursError
from wtours.sample_classes import write_sample_classes

DEFAULT_OUT = Path("data/demo")
FPS = "3"
"""Kept frames a second: enough clip starts for a short training, in seconds of face detection."""
CLIP_START_S = "6"
"""Where in the walk the shown clip begins: people are in view."""
CLIP_FRAMES = "5"
"""A second apart; the smoke preset trains on clips of two, which show little of a track."""


@dataclass(frozen=True, kw_only=True)
class Artefacts:
    """What the demonstration leaves behind."""

    shards: Path
    page: Path
    checkpoint: Path
    tracks: Path
    trained: Path
    untrained: Path


def run_demo(out: Path = DEFAULT_OUT) -> Artefacts:
    """Fetch, shard, analyse, train, look and score on the sample walk, in `out`.

    Raises:
        WtoursError: a command failed; its own words are above.
    """
    console = Console(highlight=False)
    started = time.perf_counter()
    videos, shards, run = out / "videos", out / "shards", out / "run"
    artefacts = Artefacts(
        shards=shards,
        page=out / "analysis" / "index.html",
        checkpoint=run / "checkpoint.pth",
        tracks=out / "tracks",
        trained=out / "knn-trained.json",
        untrained=out / "knn-untrained.json",
    )
    classes = out / "classes"
    weights = ["--weights", str(artefacts.checkpoint)]
    knn = ["dora", "eval", "knn", "--data", str(classes), "--cache", "none"]
    clip = ["--shards", str(shards), "--start-s", CLIP_START_S, "--frames", CLIP_FRAMES]
    steps: list[tuple[str, Sequence[str]]] = [
        ("A video: here rendered, otherwise fetched",
         ["wtours", "fetch", "--manifest", "sample", "--out", str(videos)]),
        ("Its frames, faces blurred and cuts found, as shards",
         ["wtours", "shard", str(videos), "--fps", FPS, "--out", str(shards)]),
        ("Every byte is what was written",
         ["wtours", "verify", str(shards)]),
        ("Lightness and shots as a page",
         ["wtours", "analyze", "--shards", str(shards), "--out", str(artefacts.page.parent)]),
        ("A backbone, pretrained by discovering and tracking objects",
         ["dora", "train", "--shards", str(shards), "--preset", "smoke", "--out", str(run)]),
        ("The objects it follows",
         ["dora", "visualise", "tracks", *weights, *clip, "--out", str(artefacts.tracks)]),
        ("What its features are worth on a class folder of photographs",
         [*knn, *weights, "--out", str(artefacts.trained)]),
        ("... and those of the untrained network",
         [*knn, "--weights", "random:smoke", "--out", str(artefacts.untrained)]),
    ]  # fmt: skip
    for number, (title, command) in enumerate(steps, start=1):
        if command[:3] == knn[:3]:
            write_sample_classes(classes)
        console.print(f"\n[bold]{number}. {title}[/bold]\n$ {shlex.join(command)}", soft_wrap=True)
        _run(command)
    _show(console, artefacts, seconds=time.perf_counter() - started)
    return artefacts


def _run(command: Sequence[str]) -> None:
    # The commands of this environment, whether or not it is activated.
    program, *arguments = command
    status = subprocess.run(
        [sys.executable, "-P", "-m", program, *arguments], check=False
    ).returncode
    if status != 0:
        raise WtoursError(
            f"`{shlex.join(command)}` ended with status {status}",
            remedy="mend what it says above and run the demonstration again: it goes on there",
        )


def _show(console: Console, artefacts: Artefacts, *, seconds: float) -> None:
    scores = {
        name: max(entry["top1"] for entry in json.loads(path.read_text())["scores"])
        for name, path in (("trained", artefacts.trained), ("untrained", artefacts.untrained))
    }
    left = [
        ("shards", artefacts.shards),
        ("page: lightness, shots", artefacts.page),
        ("checkpoint", artefacts.checkpoint),
        *(("object-mask video", video) for video in sorted(artefacts.tracks.glob("*.mp4"))),
        (f"k-NN, trained: {scores['trained']:.1%}", artefacts.trained),
        (f"k-NN, untrained: {scores['untrained']:.1%}", artefacts.untrained),
    ]
    console.print(f"\n[bold]Done in {seconds / 60:.1f} minutes; left behind:[/bold]")
    for what, path in left:
        console.print(f"{what:<26} {path}", soft_wrap=True)
    console.print(
        "k-NN: the best top-1 over k; two minutes of training teach little of photographs"
    )
