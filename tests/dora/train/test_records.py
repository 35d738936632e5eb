"""The log and TensorBoard's file: what is dropped, what is named, what a full disk does."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from dora.errors import DoraError
from dora.train.looks import Seen
from dora.train.records import Records, read_log


def write(folder: Path, *, start: int, stop: int) -> None:
    records = Records(folder, start_step=start)
    for step in range(start, stop):
        records.add(step, {"loss": step / 2, "lr": 0.1})
    records.close()


def test_steps_after_the_checkpoint_and_half_a_line_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, start=0, stop=6)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    write(tmp_path, start=4, stop=8)
    assert [figures["step"] for figures in read_log(tmp_path)] == list(range(8))


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    write(tmp_path, start=0, stop=3)
    log = tmp_path / "log.jsonl"
    lines = log.read_text().splitlines()
    before = "\n".join([lines[0], "\0\0\x0cnothing", lines[2], ""])
    log.write_text(before)
    with pytest.raises(DoraError, match=r"line 2 of .*log\.jsonl"):
        Records(tmp_path, start_step=3)
    assert log.read_text() == before


def test_numbers_that_are_none_are_null_in_the_log(tmp_path: Path) -> None:
    records = Records(tmp_path, start_step=0)
    records.add(0, {"grad_norm": float("inf"), "loss": float("nan"), "lr": 0.5})
    records.close()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    found = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found == {"step": 0, "grad_norm": None, "loss": None, "lr": 0.5}


def test_tensorboard_reads_every_step_even_before_the_end(tmp_path: Path) -> None:
    records = Records(tmp_path, start_step=3)
    for step in (3, 4):
        records.add(step, {"loss": step / 2, "mask_area/0": 0.25})
    (path,) = (tmp_path / "tensorboard").iterdir()
    first, start, *events = EventFileLoader(str(path)).Load()
    records.close()
    assert first.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (3, start.session_log.START)
    scalars = [
        (event.step, value.tag, value.tensor.float_val[0])
        for event in events
        for value in event.summary.value
    ]
    assert scalars == [
        (3, "loss", 1.5), (3, "mask_area/0", 0.25), (4, "loss", 2.0), (4, "mask_area/0", 0.25),
    ]  # fmt: skip


def seen_by_tensorboard(folder: Path) -> set[tuple[int, str]]:
    """What is left of all files, each of which drops from earlier ones what it does again."""
    left: set[tuple[int, str]] = set()
    for path in sorted(
        (folder / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns
    ):
        for event in EventFileLoader(str(path)).Load():
            if event.HasField("session_log"):
                left = {(step, tag) for step, tag in left if step < event.step}
            left |= {(event.step, value.tag) for value in event.summary.value}
    return left


def seen(figure: float) -> Seen:
    return Seen(figures={"knn/20": figure}, pictures={"attention_a_b": Image.new("RGB", (4, 3))})


def test_what_was_seen_before_the_first_step_again_stays_in_tensorboard(tmp_path: Path) -> None:
    records = Records(tmp_path, start_step=0)
    records.add_look("knn", 4, seen(0.5))
    records.close()
    records = Records(tmp_path, start_step=4)
    assert records.has_look("knn", 4)
    records.close()
    assert seen_by_tensorboard(tmp_path) == {(4, "knn/20"), (4, "attention_a_b")}


def test_a_run_that_begins_anew_has_seen_nothing(tmp_path: Path) -> None:
    """Looks before the first step were left by a run whose checkpoint is gone."""
    records = Records(tmp_path, start_step=0)
    records.add_look("knn", 0, seen(0.5))
    records.close()
    records = Records(tmp_path, start_step=0)
    assert not records.has_look("knn", 0)
    records.close()
    assert (tmp_path / "looks.jsonl").read_text() == ""


def test_a_look_without_a_name_and_a_damaged_picture_are_named(tmp_path: Path) -> None:
    (tmp_path / "looks.jsonl").write_text('{"step": 2, "knn/20": 0.5}\n')
    with pytest.raises(DoraError, match=r"line 1 of .*looks\.jsonl is no record"):
        Records(tmp_path, start_step=2)
    (tmp_path / "looks.jsonl").write_text('{"step": 2, "look": "pictures"}\n')
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "attention_a_00000002.png").write_text("tea")
    with pytest.raises(DoraError, match=r"attention_a_00000002\.png cannot be read.*remove it"):
        Records(tmp_path, start_step=2)
