"""`wtours analyze` on what is odd or wrong: a page, or one sentence and status 2."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.analysis.detectors.onnx_making import write_constant_model
from tests.analysis.detectors.test_onnx import NAMES, raw_of
from tests.analysis.sets import make_set, set_column
from wtours.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    """Run `wtours analyze` in an empty folder; return status, stdout and stderr."""
    return partial(command, main, "analyze", "--shards", "shards")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def unlit(folder: Path) -> None:
    walk = make_set(folder / "shards" / "walk", frames=5)
    for name in ("mean", "p5", "p50", "p95"):
        set_column(walk, f"lightness_{name}", [float("nan")] * 5)


def dark(folder: Path) -> None:
    walk = make_set(folder / "shards" / "walk", frames=5)
    for name in ("mean", "p5", "p50", "p95"):
        set_column(walk, f"lightness_{name}", [0.0] * 5)
    set_column(walk, "phash", [0] * 5)
    set_column(walk, "sharpness", [0.0] * 5)
    set_column(walk, "motion", [None] + [0.0] * 4)


def one_frame(folder: Path) -> None:
    make_set(folder / "shards" / "walk", frames=1)


def empty(folder: Path) -> None:
    """Beside a video of one frame, one of which nothing was kept."""
    make_set(folder / "shards" / "walk", frames=1)
    path = folder / "shards" / "walk" / "dataset.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    gone = {**record["videos"][0], "name": "void", "frames": 0, "duration_s": 0.0}
    record["videos"].append(gone)
    path.write_text(json.dumps(record), encoding="utf-8")


LITTLE = pytest.mark.parametrize(
    ("make", "told"),
    [
        (unlit, "No picture of walk has a lightness."),
        (dark, "100 %"),
        (one_frame, "1 kept picture."),
        (empty, "void"),
    ],
)


@LITTLE
@pytest.mark.usefixtures("undrawn")
def test_little_to_tell_is_a_page_all_the_same(
    run: Run, tmp_path: Path, make: Callable[[Path], None], told: str
) -> None:
    """With a detector that finds nothing at all."""
    check_page(run, tmp_path, make, told)


@LITTLE
@pytest.mark.slow
def test_little_to_tell_has_figures_all_the_same(
    run: Run, tmp_path: Path, make: Callable[[Path], None], told: str
) -> None:
    check_page(run, tmp_path, make, told)
    figures = {path.name for path in (tmp_path / "data" / "analysis" / "figures").iterdir()}
    assert {"figure2.png", "lightness.png", "minutes.png", "objects.png", "shots.png"} <= figures


def check_page(run: Run, tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    make(tmp_path)
    status, out, err = run(*blind(tmp_path))
    assert (status, "Traceback" in err) == (0, False), err
    page = (tmp_path / out.strip()).read_text(encoding="utf-8")
    assert told in page
    assert "No object was found with a score of at least 0.5." in page
    body = re.sub(r"<style>.*?</style>|<script.*?</script>|data:[^\"]*", "", page, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|NaT|inf)\b", re.sub(r"<[^>]*>", " ", body))
    objects = pd.read_parquet(tmp_path / "data" / "analysis" / "tables" / "objects.parquet")
    assert (objects["instances"] == 0).all()


def blind(folder: Path) -> list[object]:
    """Return words for a detector that finds nothing."""
    model = write_constant_model(folder / "none.onnx", raw_of())
    names = write(folder / "names.txt", "\n".join(NAMES))
    return ["--detector", f"onnx:{model}", "--names", names]


def no_embeddings(folder: Path) -> list[object]:
    np.save(folder / "v.npy", np.eye(4, 512, dtype=np.float32))
    names = write(folder / "three.txt", "cat\ndog\ncup\n")
    weights = write(folder / "w.pth", "never read")
    return [
        "--detector",
        "detic",
        "--weights",
        weights,
        "--vocabulary",
        folder / "v.npy",
        "--names",
        names,
    ]


def other_names(folder: Path) -> list[object]:
    model = write_constant_model(folder / "tiny.onnx", raw_of())
    return ["--detector", f"onnx:{model}", "--names", write(folder / "two.txt", "cat\ndog\n")]


FAULTS: list[tuple[str, Callable[[Path], list[object]], str]] = [
    (
        "a group name twice",
        lambda d: ["--group", "A=shards/walk", "--group", "A=shards/drive"],
        "two groups are called A",
    ),
    ("a pattern that matches nothing", lambda d: ["--group", "A=nowhere/*"], "matches no folder"),
    (
        "a video in two groups",
        lambda d: ["--group", "A=shards/*", "--group", "B=shards/walk"],
        "video walk is in group A and in group B",
    ),
    ("no group", lambda d: ["--group", "shards"], "'shards' is no group"),
    ("a domain of no group", lambda d: ["--domain", "A=walks"], "there is no group A"),
    ("embeddings and names", no_embeddings, r"v\.npy has 4 embeddings, but .*three\.txt has 3"),
    ("classifier and names", other_names, r"tiny\.onnx.*knows 3 classes.* 2 names"),
    ("no detector", lambda d: ["--detector", "eyes"], "there is no detector 'eyes'"),
    ("no model", lambda d: ["--detector", "onnx:gone.onnx"], r"gone\.onnx"),
    ("a threshold", lambda d: ["--threshold", "7", *blind(d)], "from a score of 7"),
    ("a batch", lambda d: ["--batch", "0", *blind(d)], "the batch is 0"),
    ("a duration", lambda d: ["--duration-s", "0"], "over 0"),
    ("too long a duration", lambda d: ["--duration-s", "900"], "900 s"),
    ("no true cuts", lambda d: ["--truth", "cuts.csv"], r"cuts\.csv"),
    (
        "true cuts of another video",
        lambda d: ["--truth", write(d / "cuts.csv", "video,frame\nfilm,3\n")],
        "true cuts of film, which is not among the videos",
    ),
]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("words", "told"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_mistake_is_one_sentence_and_leaves_no_report(
    run: Run, tmp_path: Path, words: Callable[[Path], list[object]], told: str
) -> None:
    for name in ("walk", "drive"):
        make_set(tmp_path / "shards" / name, frames=2)
    status, out, err = run(*words(tmp_path))
    assert (status, "Traceback" in err + out) == (2, False), err
    assert re.search(told, " ".join(err.split())), err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("hidden", ["index.parquet", "dataset.json"])
def test_a_damaged_set_is_named(run: Run, tmp_path: Path, hidden: str) -> None:
    folder = make_set(tmp_path / "shards" / "walk", frames=2).folder
    (folder / hidden).write_bytes(b"PAR1")
    status, _, err = run()
    assert (status, "Traceback" in err) == (2, False)
    assert hidden in err or "walk" in err
