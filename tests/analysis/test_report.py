"""A report appears whole, stands alone, and says of bad input what is known and what is not."""

import io
import math
import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from analysis import gallery, whole_file
from analysis import page as page_module
from analysis import report as report_module
from analysis.report import Report, write_report
from analysis.statistics.lightness import LightnessOptions
from tests.analysis.sets import make_set, set_column
from wtours import WtoursError
from wtours.shards import ShardSet


class Addresses(HTMLParser):
    """Collects what a page loads, what it links to, and whether its elements are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.alternatives: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.loaded += [named[key] or "" for key in ("src", "srcset", "data") if key in named]
        (self.linked if tag == "a" else self.loaded).extend(
            [named["href"] or ""] if "href" in named else []
        )
        if tag == "img":
            self.alternatives.append(named.get("alt") or "")
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(report: Report) -> str:
    page = report.page.read_text(encoding="utf-8")
    own = r"<style>.*?</style>|<script.*?</script>|data:[^\"]*"
    body = re.sub(own, "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("two")
    evil = {"attribution": "<script>alert(1)</script> & Sons", "notes": ["<b>odd</b>"]}
    sets = [
        make_set(folder / "s" / "walk", frames=12, cut_frames=(5,), video=evil),
        make_set(folder / "s" / "dr--ive", frames=6, cuts=False),
    ]
    return folder, write_report(sets, folder / "out")


def test_a_report_is_tables_figures_and_a_page_inside_its_folder(two: tuple[Path, Report]) -> None:
    folder, report = two
    figures = [
        f"figures/{n}.{e}"
        for n in ("pictures", "lightness", "shots", "minutes")
        for e in ("png", "svg")
    ]
    tables = [
        f"tables/{n}.{e}"
        for n in ("pictures", "minutes", "turns", "shots", "videos")
        for e in ("parquet", "csv")
    ]
    assert set(files_of(folder / "out")) == {"index.html", *figures, *tables}
    assert {path.name for path in folder.iterdir()} == {"s", "out"}
    named = {report.page, *report.tables, *report.figures}
    assert {path.relative_to(folder / "out").as_posix() for path in named} == {
        *figures,
        *tables,
        "index.html",
    }


def test_the_page_stands_alone_and_its_links_lead_somewhere(two: tuple[Path, Report]) -> None:
    folder, report = two
    page = report.page.read_text(encoding="utf-8")
    addresses = Addresses(page)
    assert addresses.open == []
    assert len(addresses.loaded) == 3 + 12 + 6  # figures, and the pictures over the curves
    assert all(address.startswith("data:image/") for address in addresses.loaded)
    assert all(addresses.alternatives)
    # Within a figure url(#...) names a part of the same figure.
    assert not re.search(r"@import|url\((?!%23)", page)
    assert len(re.findall(r"<script", page)) == 2
    assert "default-src 'none'; img-src data:" in page
    for link in addresses.linked:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in page
        elif link != "https://arxiv.org/abs/2310.08584":
            assert (folder / "out" / link).is_file()


def test_what_others_say_of_a_video_is_text_and_never_markup(two: tuple[Path, Report]) -> None:
    page = two[1].page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons" in page
    assert "&lt;b&gt;odd&lt;/b&gt;" in page


def test_the_page_says_what_was_not_done(two: tuple[Path, Report]) -> None:
    text = text_of(two[1])
    assert "cuts were not sought" in text
    assert "Faces were not blurred in walk, dr--ive" in text
    assert "Objects Not measured yet." in text
    assert "blur off" in text


def test_the_summary_is_the_table_of_videos(two: tuple[Path, Report]) -> None:
    folder, report = two
    stored = pd.read_parquet(folder / "out" / "tables" / "videos.parquet")
    pd.testing.assert_frame_equal(stored, report.summary)
    walk, drive = stored.to_dict("records")
    assert (walk["shots"], walk["cuts"], walk["cuts_per_hour"]) == (2, 1, 300)
    assert pd.isna(drive["shots"])
    assert pd.isna(drive["cuts"])


def test_the_same_shards_give_the_same_bytes(two: tuple[Path, Report], tmp_path: Path) -> None:
    folder, _ = two
    again = [ShardSet(folder / "s" / name) for name in ("walk", "dr--ive")]
    write_report(again, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(folder / "out")


def test_figures_are_large_enough_for_print(two: tuple[Path, Report]) -> None:
    for path in two[1].figures:
        if path.suffix == ".png":
            with Image.open(io.BytesIO(path.read_bytes())) as picture:
                assert picture.width == 1600


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"frames": 1}, ("1 kept picture.", "–")),
        ({"frames": 5, "fps": Fraction(1, 2)}, ("0.5",)),
        ({"frames": 9, "absent_frames": (3, 4, 5)}, ("6 kept pictures",)),
    ],
    ids=["one picture", "slow", "hole"],
)
def test_small_and_odd_sets_have_a_report(
    tmp_path: Path, made: dict[str, object], expected: tuple[str, ...]
) -> None:
    text = text_of(write_report([make_set(tmp_path / "odd", **made)], tmp_path / "out"))
    assert all(each in text for each in expected)
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize("value", [0.0, math.nan], ids=["all black", "never measured"])
def test_black_and_unmeasured_videos_are_told_apart(tmp_path: Path, value: float) -> None:
    shard_set = make_set(tmp_path / "night", frames=4)
    for name in ("mean", "p5", "p50", "p95"):
        set_column(shard_set, f"lightness_{name}", [value] * 4)
    report = write_report([shard_set], tmp_path / "out")
    (row,) = report.summary.to_dict("records")
    if value == 0:
        assert (row["dark"], row["mean"]) == (1, 0)
        assert "100 %" in text_of(report)
    else:
        assert math.isnan(row["dark"])
        assert "100 %" not in text_of(report)


def test_many_videos_go_to_several_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MAX_PANELS", 2)
    monkeypatch.setattr(page_module, "FIGURES_BYTES", 0)
    sets = [make_set(tmp_path / f"v{number}", frames=2, side=24) for number in range(3)]
    report = write_report(sets, tmp_path / "out")
    names = {path.stem for path in report.figures}
    kinds = ("pictures", "lightness", "shots", "minutes")
    assert names == {f"{kind}_{number}" for kind in kinds for number in (1, 2)}
    page = Addresses(report.page.read_text(encoding="utf-8"))
    assert sum(address.startswith("data:image/svg") for address in page.loaded) == 3
    assert {f"figures/{kind}_2.svg" for kind in kinds[1:]} <= set(page.linked)


def test_progress_ends_at_all_and_never_goes_back(tmp_path: Path) -> None:
    shares: list[float] = []
    shard_set = make_set(tmp_path / "walk", frames=2)
    write_report([shard_set], tmp_path / "out", progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_without_shards_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"no video to analyse.*`wtours shard VIDEO`"):
        write_report([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file of the user")
    with pytest.raises(WtoursError, match=r"out/tables.* cannot be written .*--out"):
        write_report([make_set(tmp_path / "walk", frames=2)], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file of the user"


def test_a_report_broken_off_leaves_no_half_file_and_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = make_set(tmp_path / "walk", frames=2)
    write_report([walk], tmp_path / "out")
    before = files_of(tmp_path / "out")
    monkeypatch.setattr(report_module, "render_page", _stop)
    with pytest.raises(KeyboardInterrupt):
        write_report([walk], tmp_path / "out", lightness=LightnessOptions(window_s=1))
    assert set(files_of(tmp_path / "out")) == set(before)
    assert files_of(tmp_path / "out")["index.html"] == before["index.html"]


def test_a_full_disk_leaves_nothing_under_a_final_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    walk = make_set(tmp_path / "walk", frames=2)
    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(WtoursError, match=r"pictures\.parquet cannot be written \(No space"):
        write_report([walk], tmp_path / "out")
    assert files_of(tmp_path / "out") == {}


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
