"""`dora plot`: the curves are those of the logs, and what is missing is said."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from dora.cli import main
from dora.runs.curves import read_curves
from dora.runs.plot import draw_curves, short_names, trailing_mean
from tests.dora.runs.test_listing import make_run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    return partial(command, main)


def test_curves_are_the_figures_of_the_logs(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", steps=6)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 6, "loss": None, "epoch": 3.0}) + "\n")
    found = read_curves(folder, ["loss", "knn/20"])
    assert found["loss"].steps == tuple(range(6))
    assert found["loss"].epochs == pytest.approx([n / 2 for n in range(6)])
    assert found["loss"].values == pytest.approx([7 - n / 10 for n in range(6)])
    assert (found["knn/20"].epochs, found["knn/20"].values) == ((0.0, 2.0), (0.25, 0.5))


def test_every_run_is_drawn_in_every_panel_under_its_name(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, steps=200) for name in ("x/a", "y/a", "b")]
    names = short_names(folders)
    assert names == ["x/a", "y/a", names[2]]
    curves = {
        name: read_curves(folder, ["loss", "knn/20"])
        for name, folder in zip(names, folders, strict=True)
    }
    figure = draw_curves(curves, ["loss", "knn/20"], over="epoch", smooth=0.1)
    upper, lower = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (labels, upper.get_title(), lower.get_title()) == (names, "loss", "knn/20")
    strong = [line for line in upper.lines if line.get_label() in names]
    assert len({line.get_color() for line in strong}) == len(strong) == 3
    values = [7 - n / 10 for n in range(200)]
    assert list(strong[0].get_ydata()) == pytest.approx(trailing_mean(values, 20))
    assert list(lower.lines[0].get_xdata()) == [0.0, 2.0]


def test_the_trailing_mean_is_that_of_each_window() -> None:
    values = [float(n * n % 17) for n in range(40)]
    for window in (1, 3, 40, 60):
        windows = [values[max(0, end - window) : end] for end in range(1, 41)]
        expected = [sum(part) / len(part) for part in windows]
        assert trailing_mean(values, window) == pytest.approx(expected)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_picture_has_the_form_of_its_ending(run: Run, tmp_path: Path, ending: str) -> None:
    make_run(tmp_path / "a")
    status, out, err = run("plot", "a", "--figure", "loss", "knn/20", "--out", f"p.{ending}")
    assert (status, out.strip()) == (0, f"p.{ending}"), err
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"p.{ending}").read_bytes().startswith(begins)
    if ending == "png":
        with Image.open(tmp_path / "p.png") as picture:
            assert picture.height > 600


FAULTS = {
    "no run named": ([], r"no run is named.*dora runs"),
    "no such folder": (["none"], r"none holds no step of a run"),
    "an empty run": (["empty"], r"empty holds no step of a run"),
    "no such figure": (["a", "--figure", "speed"], r"no figure 'speed'.*clips_hz.*knn/20, loss"),
    "no picture": (["a", "--out", "a.txt"], r"a\.txt is no picture; end it in \.png"),
    "smoothed over all": (["a", "--smooth", "1.5"], r"smoothed over 1\.5"),
    "a damaged line": (["hurt"], r"line 2 of .*log\.jsonl is no record of a step"),
}


@pytest.mark.parametrize(("words", "named"), FAULTS.values(), ids=FAULTS)
def test_a_mistake_is_one_sentence(run: Run, tmp_path: Path, words: list[str], named: str) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "empty", steps=0)
    hurt = make_run(tmp_path / "hurt") / "log.jsonl"
    lines = hurt.read_text().splitlines()
    hurt.write_text("\n".join([lines[0], "{}", *lines[2:], ""]))
    status, _, err = run("plot", *words)
    assert (status, "Traceback" in err) == (2, False), err
    assert re.search(named, err), err
    assert not list(tmp_path.glob("*.png"))
