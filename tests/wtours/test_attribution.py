import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.wtours.published import SEEN, STATED, YOUTUBES, record_of, write_record
from wtours.errors import WtoursError
from wtours.publishing.attribution import attribution_line, write_attribution
from wtours.publishing.credit import credit_of


def page_of(folder: Path) -> str:
    page = write_attribution(folder)
    assert page is not None
    return page.read_text(encoding="utf-8")


def test_the_line_names_title_creator_source_licence_and_change() -> None:
    assert attribution_line(record_of("venice")) == (
        '"A walk in Venice [4K]" by Walks & Ways (https://www.youtube.com/channel/UC0123456789), '
        "https://www.youtube.com/watch?v=-venice____, "
        f"licence: {YOUTUBES} (as seen when it was fetched), "
        "https://creativecommons.org/licenses/by/3.0/; changed: single pictures, scaled."
    )


def test_the_line_says_what_is_not_known() -> None:
    assert "not recorded" in attribution_line(None)
    assert "not recorded" in attribution_line(record_of("walk", source=None))
    nothing = SEEN | {"seen": None, "shown_by_platform": False, "stated": None, "stated_by": None}
    source = {"kind": "http", "url": "https://example.org/walk.mp4"}
    bare = record_of("walk", source=source, licence=nothing, platform={})
    assert attribution_line(bare) == (
        '"walk", https://example.org/walk.mp4, licence not stated; changed: single pictures, '
        "scaled."
    )


def test_what_the_platform_shows_counts_before_what_the_manifest_states() -> None:
    none_shown = attribution_line(record_of("walk", licence=SEEN | {"seen": None}))
    assert "licence: none shown (as seen when it was fetched); changed" in none_shown
    assert "CC BY 4.0 (as stated by the paper), https" in attribution_line(
        record_of("walk", licence=STATED)
    )


def test_a_line_is_one_line_whatever_the_title() -> None:
    said = {"title": "A\nwalk\u2028in\x1b[2J the \u202edark", "channel": " "}
    line = attribution_line(record_of("walk", platform=said))
    assert line.startswith('"A walk in [2J the dark", https://')
    assert line.isprintable()


def test_the_page_has_all_that_licences_ask_for_of_every_video(tmp_path: Path) -> None:
    write_record(tmp_path, "zurich", licence=STATED)
    write_record(tmp_path, "venice")
    page = page_of(tmp_path)
    assert page.index("## venice") < page.index("## zurich")
    venice = page[page.index("## venice") : page.index("## zurich")].splitlines()
    assert venice[2:-1] == [
        r"- Title: A walk in Venice \[4K\]",
        r"- Creator: [Walks \& Ways](<https://www.youtube.com/channel/UC0123456789>)",
        r"- Source: [https://www.youtube.com/watch?v=-venice\_\_\_\_]"
        "(<https://www.youtube.com/watch?v=-venice____>)",
        f"- Licence: [{YOUTUBES}](<https://creativecommons.org/licenses/by/3.0/>) (as seen "
        "when it was fetched), that is CC BY 3.0",
        "- Changes: none; the picture track as its source gives it",
        "- Uploaded: 2018-03-21",
        "- Fetched: 2026-11-02T10:20:30Z",
        r"- Id: \-venice\_\_\_\_",
        f"- SHA-256 of the video: {'ab' * 32}",
    ]


def test_a_version_that_nobody_stated_is_not_made_up(tmp_path: Path) -> None:
    write_record(tmp_path, "walk", licence=STATED | {"stated": "CC-BY"})
    page = page_of(tmp_path)
    assert "- Licence: CC-BY (as stated by the paper), of no stated version\n" in page
    assert "creativecommons.org" not in page


def test_without_a_day_of_upload_youtubes_licence_has_no_version(tmp_path: Path) -> None:
    write_record(tmp_path, "walk", platform={"title": "A walk"})
    assert (
        f"- Licence: {YOUTUBES} (as seen when it was fetched), of no stated version\n"
        in page_of(tmp_path)
    )


def test_a_licence_that_a_user_accepted_is_marked(tmp_path: Path) -> None:
    standard = {"seen": "Standard YouTube License", "accepted": "standard youtube license"}
    write_record(tmp_path, "walk", licence=SEEN | standard)
    assert (
        "- Licence: Standard YouTube License (as seen when it was fetched); accepted by name by "
        "whoever fetched it\n"
    ) in page_of(tmp_path)


@pytest.mark.parametrize(
    "title",
    ["| a | b |", "</h2><script>alert(1)</script>", "[x](javascript:alert(1))", "# no *heading*",
     "two\n\n## lines", "`code` ![i](http://x)", "---", "&lt; &amp; \\"],
)  # fmt: skip
def test_a_title_cannot_change_the_page(tmp_path: Path, title: str) -> None:
    said = {"title": title, "channel": title, "upload_date": "20180321"}
    write_record(tmp_path, "walk", platform=said)
    tokens = MarkdownIt("commonmark").parse(page_of(tmp_path))
    kinds = [token.type for token in tokens]
    assert kinds.count("heading_open") == 2
    assert kinds.count("list_item_open") == 9
    assert "html_block" not in kinds
    inline = [token for token in tokens if token.type == "inline"]
    shown = "".join(part.content for part in inline[3].children or [])
    assert shown == "Title: " + " ".join(title.split())
    links = [part for token in inline for part in token.children or [] if part.type == "link_open"]
    assert [str(part.attrs["href"]).partition(":")[0] for part in links] == ["https", "https"]


def test_only_addresses_of_the_web_become_links(tmp_path: Path) -> None:
    said = {"title": "A walk", "channel": "Me", "channel_url": "javascript:alert(1)"}
    write_record(tmp_path, "walk", source={"kind": "file", "url": "walk.mp4"}, platform=said)
    page = page_of(tmp_path)
    assert "- Creator: Me\n- Source: walk.mp4\n" in page
    assert "javascript" not in page


def test_who_published_a_copy_is_not_taken_for_who_made_the_video(tmp_path: Path) -> None:
    source = {"kind": "figshare", "url": "https://figshare.com/articles/dataset/1"}
    said = {"title": "Ten walks", "file": "walk.mp4", "channel": "Ann One, Bo Two"}
    write_record(tmp_path, "walk", source=source, platform=said)
    page = page_of(tmp_path)
    assert "- Title: Ten walks: walk.mp4\n- Published by: Ann One, Bo Two\n" in page
    assert "- Note: whoever published this copy may not be who made the video" in page
    line = attribution_line(record_of("walk", source=source, platform=said))
    assert line.startswith('"Ten walks: walk.mp4" published by Ann One, Bo Two, https://figshare')


def test_a_remark_of_the_manifest_is_kept(tmp_path: Path) -> None:
    write_record(tmp_path, "walk", stated={"remark": "No terms are stated\nof *two* pictures."})
    assert r"- Remark: No terms are stated of \*two\* pictures." in page_of(tmp_path)


def test_other_files_do_not_disturb(tmp_path: Path) -> None:
    write_record(tmp_path, "walk")
    alone = page_of(tmp_path)
    (tmp_path / "walk.truth.json").write_text('{"cuts": []}')
    (tmp_path / "walk.metadata.json").write_text('{"record_version": 2}')
    (tmp_path / "notes.json").write_text("no JSON at all")
    (tmp_path / "odd.json").write_bytes(b"\xff\xfe")
    (tmp_path / ".hidden.json").write_text('{"record_version": 2}')
    (tmp_path / "folder.json").mkdir()
    write_record(tmp_path, "found", source=None)
    assert page_of(tmp_path) == alone
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_without_a_record_nothing_is_written(tmp_path: Path) -> None:
    write_record(tmp_path, "found", source=None)
    (tmp_path / "walk.truth.json").write_text("{}")
    assert write_attribution(tmp_path) is None
    assert not (tmp_path / "ATTRIBUTION.md").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: json.dumps(json.loads(text) | {"record_version": 1}),
        lambda text: json.dumps({"record_version": 2}),
        lambda text: json.dumps(json.loads(text) | {"licence": "CC-BY"}),
        lambda text: json.dumps(json.loads(text) | {"source": {"kind": "http"}}),
        lambda text: json.dumps(json.loads(text) | {"platform": None}),
    ],
)
def test_a_damaged_record_is_named_and_the_old_page_stays(tmp_path: Path, damage: Any) -> None:
    path = write_record(tmp_path, "walk")
    page = page_of(tmp_path)
    (tmp_path / "walk.webm").write_bytes(b"video")
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(WtoursError, match=r"walk\.json.*fetch it again"):
        write_attribution(tmp_path)
    assert (tmp_path / "ATTRIBUTION.md").read_text(encoding="utf-8") == page


def test_a_credit_is_made_of_what_the_record_says() -> None:
    credit = credit_of(record_of("venice"))
    assert credit is not None
    assert (credit.title, credit.creator) == ("A walk in Venice [4K]", "Walks & Ways")
    assert (credit.uploaded, credit.platform_id) == ("2018-03-21", "-venice____")
    assert credit.terms is not None
    assert credit.terms.name == "CC BY 3.0"
    assert credit_of(record_of("venice", source=None)) is None
