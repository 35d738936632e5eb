import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from tests.wtours.published import SEEN, STATED, make_published_set, record_of, write_record
from wtours.errors import WtoursError
from wtours.publishing.card import CardFiles, write_card
from wtours.publishing.card_text import clock
from wtours.shard import shard_videos
from wtours.shards import ShardError, open_shards
from wtours.whole_file import file_sha256

DAY = date(2026, 11, 23)
CC_BY = SEEN | {"seen": None, "shown_by_platform": False}
NOT_STATED = CC_BY | {"stated": None, "stated_by": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sets, of which one was not blurred."""
    out = tmp_path / "shards"
    make_published_set(out / "venice", record=record_of("venice"))
    make_published_set(out / "zurich", record=record_of("zurich"), blur=False, seed=1)
    return out


def header_of(card: CardFiles) -> dict[str, Any]:
    """Return the header as the hub's own library reads it."""
    return DatasetCard.load(card.readme).data.to_dict()


def tables_of(card: CardFiles) -> list[list[list[str]]]:
    """Return the card's tables as a reader of Markdown shows them, heads first."""
    text = card.readme.read_text(encoding="utf-8").split("\n---\n", 1)[1]
    tables: list[list[list[str]]] = []
    for token in (tokens := MarkdownIt("commonmark").enable("table").parse(text)):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and token.level > 3:
            tables[-1][-1].append("".join(part.content for part in token.children or []))
    assert tokens
    return tables


def test_the_header_is_what_the_hub_reads(folder: Path) -> None:
    header = header_of(write_card(folder, folder, name="Two walks", published=DAY))
    assert header["pretty_name"] == "Two walks"
    assert header["license"] == "cc-by-3.0"
    assert header["size_categories"] == ["n<1K"]
    (config,) = header["configs"]
    (files,) = config["data_files"]
    found = sorted(tar for pattern in files["path"] for tar in folder.glob(pattern))
    assert found == sorted(folder.rglob("*.tar"))


@pytest.mark.parametrize(
    ("licences", "hub_id", "details"),
    [
        ([SEEN, SEEN], "cc-by-3.0", None),
        ([STATED, STATED], "cc-by-4.0", None),
        ([CC_BY, CC_BY], "cc", "CC BY"),
        ([SEEN, STATED], "other", "CC BY 3.0; CC BY 4.0"),
        ([SEEN, NOT_STATED], "other", "CC BY 3.0; not known"),
        ([NOT_STATED, NOT_STATED], "unknown", None),
        ([SEEN | {"seen": "Standard | terms", "accepted": "x"}] * 2, "other", "Standard | terms"),
        ([None, None], "unknown", None),
    ],
)
def test_the_licence_of_the_header_follows_from_those_of_the_videos(
    tmp_path: Path, licences: list[dict[str, Any] | None], hub_id: str, details: str | None
) -> None:
    for number, licence in enumerate(licences):
        name = f"walk{number}"
        record = record_of(name, licence=licence) if licence is not None else None
        make_published_set(tmp_path / name, record=record, seed=number)
    header = header_of(write_card(tmp_path, tmp_path, published=DAY))
    assert header["license"] == hub_id
    found = header.get("license_details")
    assert found is None if details is None else str(found).endswith(details)
    assert (hub_id == "other") == ("license_name" in header)


def test_numbers_of_the_card_are_those_of_the_index(folder: Path) -> None:
    card = write_card(folder, folder, published=DAY)
    videos, *settings, statistics = tables_of(card)
    assert len(settings) == 2  # made differently, so told of apart
    for shard_set, row, numbers in zip(
        open_shards(folder), videos[1:], statistics[1:], strict=True
    ):
        rows = shard_set.table().to_pylist()
        boxes = {row["key"]: len(row["boxes"]) for row in rows}
        name = shard_set.videos[0].name
        assert row == [
            name,
            f"A walk in {name.title()} [4K]",
            name.title(),
            "Walks & Ways",
            "Creative Commons Attribution license (reuse allowed) (as seen when it was fetched), "
            "that is CC BY 3.0",
            "0:00:40",
            str(len(boxes)),
            "1",
        ]
        off = name == "zurich"
        assert numbers[:-1] == [
            name,
            str(len(rows)),
            str(len(boxes)),
            str(len({row["segment"] for row in rows})),
            str(shard_set.cuts().num_rows),
            "off" if off else str(sum(boxes.values())),
            "off" if off else str(sum(map(bool, boxes.values()))),
        ]
        lightness = sorted(row["lightness_mean"] for row in rows)
        low, middle, high = map(int, numbers[-1].split(" / "))
        assert lightness[0] - 1 <= low <= lightness[4]
        assert lightness[18] - 1 <= middle <= lightness[19] + 1
        assert lightness[-5] <= high <= lightness[-1] + 1


def test_settings_of_sets_made_alike_stand_once(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        make_published_set(tmp_path / name, record=record_of(name), seed=number)
    _, settings, _ = tables_of(write_card(tmp_path, tmp_path, published=DAY))
    assert ["blur.threshold", "0.2"] in settings
    assert ["cuts.threshold", "27.0"] in settings


def test_the_card_promises_no_more_than_the_blur_can_do(folder: Path) -> None:
    card = write_card(folder, folder, published=DAY)
    text = card.readme.read_text(encoding="utf-8")
    assert "This is not a guarantee" in text
    assert "In these videos they were not covered: zurich." in text
    assert "faces were not covered: zurich" in card.notes
    open_ones = write_card(folder / "zurich", folder / "zurich", published=DAY)
    text = open_ones.readme.read_text(encoding="utf-8")
    assert "Faces were not covered. Persons can be recognised" in text
    assert "guarantee" not in text


def test_terms_that_forbid_changes_or_commerce_are_limits(tmp_path: Path) -> None:
    licence = STATED | {"stated": "CC BY-NC-ND 4.0"}
    make_published_set(tmp_path / "walk", record=record_of("walk", licence=licence))
    text = write_card(tmp_path, tmp_path, published=DAY).readme.read_text(encoding="utf-8")
    assert "does not allow changed versions to be shared" in text
    assert "excludes commercial use" in text


def test_code_of_the_card_runs_where_the_card_stands(folder: Path, tmp_path: Path) -> None:
    card = write_card(folder, folder, published=DAY)
    blocks = re.findall(r"```python\n(.*?)```", card.readme.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    root = str(Path(__file__).parents[2])
    outcome = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, "CROISSANT_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0] == "venice-00000000 0.0 (64, 48)"
    assert len(lines) == 38 + 1 + 1
    assert re.fullmatch(r"venice 38 \d+", lines[38])
    assert "venice-00000000" in lines[39]
    assert "Exception ignored" not in outcome.stderr


def test_attribution_of_all_sets_stands_beside_the_card(folder: Path) -> None:
    page = write_card(folder, folder, published=DAY).attribution.read_text(encoding="utf-8")
    venice, zurich = page.split("## zurich")
    assert "faces covered" in venice
    assert "faces left as they are" in zurich
    assert venice.count("SHA-256") == zurich.count("SHA-256") == 1


def test_every_address_of_the_card_is_a_true_link(folder: Path) -> None:
    """Some readers link addresses in running text, and take its escapes for part of them."""
    text = write_card(folder, folder, published=DAY).readme.read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text.split("\n---\n", 1)[1])
    inside = 0
    for part in (part for token in tokens for part in token.children or []):
        inside += part.nesting if part.type.startswith("link_") else 0
        assert inside or "://" not in part.content
    addresses = [
        str(part.attrs["href"])
        for token in tokens
        for part in token.children or []
        if part.type == "link_open"
    ]
    assert addresses.count("https://www.youtube.com/watch?v=-venice____") == 2


def test_a_card_in_the_only_set_leaves_the_set_whole(folder: Path) -> None:
    venice = folder / "venice"
    own = (venice / "ATTRIBUTION.md").read_bytes()
    card = write_card(venice, venice, published=DAY)
    assert card.attribution.read_bytes() == own
    assert open_shards(folder)[0].verify() == []
    assert header_of(card)["configs"][0]["data_files"][0]["path"] == ["*.tar"]


def test_the_same_sets_give_the_same_bytes_on_the_same_day(folder: Path) -> None:
    first = write_card(folder, folder, published=DAY)
    before = [path.read_bytes() for path in (first.readme, first.croissant, first.attribution)]
    write_card(folder, folder, published=DAY, replace=True)
    assert before == [
        path.read_bytes() for path in (first.readme, first.croissant, first.attribution)
    ]
    assert not list(folder.glob("*.part"))


def test_a_card_that_may_have_been_edited_is_not_written_over(folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    with pytest.raises(WtoursError, match=r"README\.md exists already.*--replace"):
        write_card(folder, folder)
    assert (folder / "README.md").read_text() == "mine"
    assert not (folder / "croissant.json").exists()
    assert write_card(folder, folder, replace=True).readme.read_text().startswith("---\n")


def test_a_set_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"venice does not lie in .*other.*--out"):
        write_card(folder, tmp_path / "other")


def test_an_address_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(WtoursError, match="is no address of a page"):
        write_card(folder, folder, url="my page")
    assert any("--url" in note for note in write_card(folder, folder).notes)


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="holds no shard set"):
        write_card(tmp_path, tmp_path)


def remove_index(venice: Path) -> None:
    (venice / "index.parquet").unlink()


def remove_attribution(venice: Path) -> None:
    (venice / "ATTRIBUTION.md").unlink()


def break_provenance(venice: Path) -> None:
    path = venice / "dataset.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["videos"][0]["provenance"] = {"name": "venice", "source": {}}
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (remove_index, r"index\.parquet is missing"),
        (remove_attribution, r"ATTRIBUTION\.md is missing"),
        (break_provenance, r"venice\.json lacks"),
    ],
)
def test_a_damaged_set_is_named_and_nothing_is_written(
    folder: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    damage(folder / "venice")
    with pytest.raises(WtoursError, match=sentence):
        write_card(folder, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["venice", "zurich"]


def test_faults_that_a_check_found_are_told(tmp_path: Path) -> None:
    faults = {"forced": True, "faults": ["1 h 50 min of picture in 3 h 40 min", "black tail"]}
    record = record_of("venice", verification=faults)
    make_published_set(tmp_path / "venice", record=record)
    card = write_card(tmp_path, tmp_path)
    assert (
        "- The check of the video venice found faults, and it was used all the same: 1 h 50 min "
        "of picture in 3 h 40 min; black tail.\n"
    ) in card.readme.read_text(encoding="utf-8")
    assert any("faults" in note and "venice" in note for note in card.notes)


@pytest.mark.parametrize(
    ("licence", "sentence"),
    [
        (NOT_STATED, "the licence is not known, so it may not be published: walk"),
        (STATED | {"stated": "MIT"}, "look whether it may be published: walk"),
    ],
)
def test_licences_that_may_forbid_publication_are_noted(
    tmp_path: Path, licence: dict[str, Any], sentence: str
) -> None:
    make_published_set(tmp_path / "walk", record=record_of("walk", licence=licence))
    assert any(sentence in note for note in write_card(tmp_path, tmp_path).notes)


def test_titles_of_others_cannot_break_the_card(tmp_path: Path) -> None:
    title = "a | b\n---\n# c <script>alert(1)</script> ```\n---\nlicense: mit"
    said = {"title": title, "channel": "x](javascript:y) | z", "upload_date": "20180321"}
    make_published_set(tmp_path / "walk", record=record_of("walk", platform=said, city="a: b\n- c"))
    card = write_card(tmp_path, tmp_path, published=DAY)
    assert header_of(card)["license"] == "cc-by-3.0"
    assert header_of(card)["pretty_name"] == "Pictures of first-person videos: a: b - c"
    ((_, row), *_) = tables_of(card)
    assert row[1] == "a | b --- # c <script>alert(1)</script> ``` --- license: mit"
    assert row[3] == "x](javascript:y) | z"


def test_many_videos_are_counted_in_the_name_and_few_are_named(tmp_path: Path) -> None:
    for number in range(5):
        name = f"walk{number}"
        make_published_set(tmp_path / name, record=None, seed=number)
    header = header_of(write_card(tmp_path, tmp_path))
    assert header["pretty_name"] == "Pictures of 5 first-person videos"


@pytest.mark.parametrize(
    ("duration_s", "text"), [(0.4, "0:00:00"), (59.6, "0:01:00"), (6603, "1:50:03")]
)
def test_lengths_of_time_are_shown_as_hours_minutes_and_seconds(
    duration_s: float, text: str
) -> None:
    assert clock(duration_s) == text


@pytest.mark.media
def test_real_recordings_get_a_card_that_counts_their_covered_faces(
    media: Path, tmp_path: Path
) -> None:
    """Two videos of different kinds, of which one has a record of where it comes from."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("kitchen_faces_2560.mp4", "walk_garden_a.mp4"):
        (videos / name).symlink_to(media / name)
    file = {"name": "walk_garden_a.mp4", "sha256": file_sha256(media / "walk_garden_a.mp4")}
    write_record(videos, "walk_garden_a", file=file)
    shards = tmp_path / "shards"
    shard_videos([videos], out=shards)
    card = write_card(shards, shards, published=DAY)
    _, *rows = tables_of(card)[-1]
    (shard_set,) = open_shards(shards)  # both are shorter than a minute, and share it
    pictures = shard_set.table(["video", "boxes"]).to_pylist()
    for video, row in zip(shard_set.videos, rows, strict=True):
        boxes = [len(one["boxes"]) for one in pictures if one["video"] == video.name]
        assert row[5:7] == [str(sum(boxes)), str(sum(map(bool, boxes)))]
    assert int(rows[0][5]) > 0  # of the kitchen
    page = card.attribution.read_text(encoding="utf-8")
    assert "## kitchen_faces_2560\n\nSource and licence of the video were not recorded." in page
    assert "## walk_garden_a\n\n- Title: " in page
    assert header_of(card)["license"] == "other"
