import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.eval import suite
from dora.eval.computing import Computing
from dora.eval.knn import evaluate_knn
from dora.eval.loading import Evaluated
from dora.eval.paper_numbers import paper_tables
from dora.eval.records import Result
from dora.eval.suite import Measurement, run_suite
from dora.eval.suite_data import SuiteData
from dora.eval.suite_page import write_suite_page
from dora.eval.suite_parts import SHORT_EPOCHS, SuitePart, suite_parts
from tests.dora.eval import dense_data
from tests.dora.eval.tiny_networks import ON_CPU, TINY, tiny_network

PARTS = suite_parts(short=True)[:2]  # of pictures in class folders
TABLES = paper_tables()


def refuse(*_: object) -> Result:
    raise DoraError("no attention to read", remedy="evaluate a ViT")


FAILING = SuitePart(name="discovery", columns=("Jaccard", "CorLoc"), run=refuse)


class Cells(HTMLParser):
    """Texts of the table's cells, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += f"{data.strip()} "


def test_networks_are_rows_and_the_papers_numbers_stand_beside(
    colours: Path, tmp_path: Path
) -> None:
    trained = replace(tiny_network(seed=1), label="<mine>", origin="file")
    data = {"knn": colours, "linear": colours, "discovery": colours}
    parts = (*PARTS, FAILING)
    found = run_suite(
        [tiny_network(), trained], data, parts=parts, computing=ON_CPU, records=tmp_path / "records"
    )
    assert [(m.label, m.part) for m in found[3:]] == [
        ("<mine>", "linear"),
        ("<mine>", "knn"),
        ("<mine>", "discovery"),
    ]
    given = SuiteData(folders=data, left_out=("davis: no data were given",))
    page, table = write_suite_page(tmp_path, found, parts=parts, data=given)
    html = page.read_text()
    cells = Cells()
    cells.feed(html)
    header, untrained, mine, _, *paper = [[text.split() for text in row] for row in cells.rows]
    assert [" ".join(words) for words in header] == [
        "network",
        f"LP {TABLES['LP']}; here 30 epochs, centre crops",
        *(f"{column} {TABLES[column]}" for column in ("k-NN", "Jaccard", "CorLoc")),
    ]
    assert untrained[0][:2] == ["untrained", "0"]
    assert mine[0] == ["<mine>", "beside", "DoRA,", "WT-Venice"]
    assert mine[2] == [f"{found[4].record['measured']['k-NN']:.1f}", "33.8"]
    assert mine[3] == ["failed", "44.0"]
    assert untrained[2][1:] == []
    assert ["DINO,", "IN-1k"] in [row[0] for row in paper]
    assert "no attention to read; evaluate a ViT" in html
    assert "has 2 classes, not 1000" in html
    assert "not the paper&#39;s protocol" in html
    assert "| <mine> | " in table.read_text()
    assert "(33.8)" in table.read_text()
    assert table.read_text().splitlines()[2] == (
        "| network | LP (30 epochs, centre crops) | k-NN | Jaccard | CorLoc | closest row |"
    )
    assert "<li>davis: no data were given</li>" in html
    assert table.read_text().endswith("Left out:\n\n- davis: no data were given\n")


def test_what_is_measured_is_not_measured_again(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"knn": colours}

    def measure(networks: list[Evaluated], computing: Computing = ON_CPU) -> list[Measurement]:
        return run_suite(networks, data, parts=PARTS, computing=computing, records=tmp_path)

    first = measure([tiny_network()])
    again = measure([tiny_network(), tiny_network(seed=1)])
    assert [m.reused for m in first + again] == [False, True, False]
    assert again[0].record == first[0].record
    assert not measure([tiny_network()], replace(ON_CPU, precision="bf16"))[0].reused
    assert measure([tiny_network()], replace(ON_CPU, batch=3))[0].reused
    picture = next((colours / "val").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    assert not measure([tiny_network()])[0].reused
    parts = (SuitePart(name="knn", columns=("k-NN",), run=PARTS[1].run, way="other"),)
    assert not run_suite([tiny_network()], data, parts=parts, computing=ON_CPU, records=tmp_path)[
        0
    ].reused


def test_record_of_the_suite_is_that_of_its_command(colours: Path, tmp_path: Path) -> None:
    run_suite([tiny_network()], {"knn": colours}, parts=PARTS, computing=ON_CPU, records=tmp_path)
    (path,) = tmp_path.glob("knn-*.json")
    record = json.loads(path.read_text())
    alone = evaluate_knn(tiny_network(), colours, computing=ON_CPU)
    assert record["scores"] == [vars(score) for score in alone.scores]
    path.write_text("{")
    with pytest.raises(DoraError, match="is no record") as caught:
        run_suite(
            [tiny_network()], {"knn": colours}, parts=PARTS, computing=ON_CPU, records=tmp_path
        )
    assert "remove the file" in caught.value.remedy


def test_short_settings_are_kept_apart_from_the_published_ones() -> None:
    ways = [{part.name: part.way for part in suite_parts(short=short)} for short in (True, False)]
    assert ways[0]["linear"] != ways[1]["linear"]
    assert ways[1]["linear"] == "as published"
    assert f"{SHORT_EPOCHS} epochs" in ways[0]["linear"]


def test_networks_with_equal_labels_are_told_apart() -> None:
    first, other = (replace(tiny_network(), label="x", asked=words) for words in ("a/x", "b/x"))
    third = replace(first, label="y", asked="y")
    assert suite.distinct_labels([first, other, third]) == ["x: a/x", "x: b/x", "y"]
    with pytest.raises(DoraError, match="y is given twice"):
        suite.distinct_labels([third, third])


def test_one_of_several_processes_does_not_go_on_alone(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "world_size", lambda: 2)
    with pytest.raises(DoraError, match="no attention"):
        run_suite(
            [tiny_network()],
            {"discovery": colours},
            parts=[FAILING],
            computing=ON_CPU,
            records=tmp_path,
        )


def test_record_of_the_first_process_is_taken_by_all(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finds no record, or a damaged one, in a folder of its own."""
    first = run_suite(
        [tiny_network()], {"knn": colours}, parts=PARTS, computing=ON_CPU, records=tmp_path / "0"
    )
    (name,) = (path.name for path in (tmp_path / "0").iterdir())
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / name).write_text("{")
    given = []
    monkeypatch.setattr(suite, "rank", lambda: 1)
    monkeypatch.setattr(suite, "share_first", lambda own: given.append(own) or first[0].record)
    (found,) = run_suite(
        [tiny_network()], {"knn": colours}, parts=PARTS, computing=ON_CPU, records=tmp_path / "1"
    )
    assert given == [None]
    assert (found.reused, found.record) == (True, first[0].record)


def test_another_version_of_an_evaluation_is_measured_again(colours: Path, tmp_path: Path) -> None:
    reused = []
    for version in (1, 2, 2):
        parts = [replace(part, version=version) for part in PARTS]
        (found,) = run_suite(
            [tiny_network()], {"knn": colours}, parts=parts, computing=ON_CPU, records=tmp_path
        )
        reused.append(found.reused)
    assert reused == [False, False, True]


def test_what_depends_on_the_batch_is_measured_again_with_another_one(
    colours: Path, tmp_path: Path
) -> None:
    parts = [
        replace(part, batch_that_counts=lambda _, computing: computing.batch) for part in PARTS
    ]
    reused = []
    for batch in (5, 3, 5):
        (found,) = run_suite(
            [tiny_network()],
            {"knn": colours},
            parts=parts,
            computing=replace(ON_CPU, batch=batch),
            records=tmp_path,
        )
        reused.append(found.reused)
    assert reused == [False, False, True]


def test_half_precision_is_noted(colours: Path, tmp_path: Path) -> None:
    told = [
        [note for note in found.record["notes"] if "bf16" in note]
        for precision in ("float32", "bf16")
        for found in run_suite(
            [tiny_network()],
            {"knn": colours},
            parts=PARTS,
            computing=replace(ON_CPU, precision=precision),
            records=tmp_path,
        )
    ]
    assert told == [[], ["computed in bf16, not float32"]]


def test_link_in_a_data_set_that_leads_nowhere_is_named(colours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(colours, folder)
    (folder / "train" / "red" / "9.png").symlink_to("gone.png")
    with pytest.raises(DoraError, match=r"9\.png is a link to gone\.png, which") as caught:
        run_suite(
            [tiny_network()], {"knn": folder}, parts=PARTS, computing=ON_CPU, records=tmp_path
        )
    assert "remove the link" in caught.value.remedy


def test_all_evaluations_make_one_table(colours: Path, tmp_path: Path) -> None:
    voc = dense_data.voc(tmp_path / "voc", {"a": [(16, 24, 32, 40)]}, size=(64, 48))
    video = dense_data.moving_squares(frames=3, size=(128, 64), step_px=8, side_px=24)
    davis = dense_data.davis(tmp_path / "davis", {"walk": video})
    data = {"knn": colours, "linear": colours, "discovery": voc, "davis": davis}
    parts = suite_parts(short=True)
    network = tiny_network(model=replace(TINY, patch_px=16))
    found = run_suite([network], data, parts=parts, computing=ON_CPU, records=tmp_path / "records")
    assert [m.fault for m in found] == [None] * 4
    given = SuiteData(folders=data, left_out=())
    _, table = write_suite_page(tmp_path, found, parts=parts, data=given)
    header, _, row = table.read_text().splitlines()[2:]
    assert header == (
        "| network | LP (30 epochs, centre crops) | k-NN | Jaccard | CorLoc | DAVIS J | DAVIS F "
        "| closest row |"
    )
    columns = header.replace(" (30 epochs, centre crops)", "").split(" | ")[1:-1]
    measured = {name: n for m in found for name, n in m.record["measured"].items()}
    cells = [cell.split()[0] for cell in row.split("|")[2:-2]]
    assert cells == [f"{measured[name]:.1f}" for name in columns]
    assert "(25.4)" in row
