"""A video comes whole, checked and recorded from every source, or not at all."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.fetching import QUICK, WHOLE, fetch, files, http, manifest_of
from tests.wtours.tiny_videos import write_tiny_video
from tests.wtours.web_server import Site
from wtours.errors import WtoursError
from wtours.fetch import describe, fetch_videos, plan_fetch
from wtours.provenance import read_provenance


@pytest.fixture(scope="module")
def other_walk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Another video, longer than `walk`."""
    folder = tmp_path_factory.mktemp("other")
    return write_tiny_video(folder / "walk.mp4", frames=50, size=(160, 96)).read_bytes()


def test_file_comes_with_its_record(tmp_path: Path, tiny_walk: bytes) -> None:
    (tmp_path / "mine.mp4").write_bytes(tiny_walk)
    stated = "width = 160\nheight = 96\nfps = 29.97\n"
    manifest = manifest_of(tmp_path, {"kind": "file", "path": "mine.mp4"}, stated=stated)
    (fetched,) = fetch_videos([], manifest=manifest, out=tmp_path / "out")
    assert files(tmp_path) == WHOLE
    assert fetched.path.read_bytes() == tiny_walk
    record = json.loads(fetched.record_path.read_text())
    assert record["source"] == {"kind": "file", "url": "mine.mp4"}
    assert (record["name"], record["city"], record["asked"]) == ("walk", "Ghent", {})
    assert record["licence"] == {
        "seen": None,
        "shown_by_platform": False,
        "stated": "CC0",
        "stated_by": "its author",
        "accepted": None,
    }
    assert record["file"] == {
        "name": "walk.mp4",
        "size_bytes": len(tiny_walk),
        "sha256": hashlib.sha256(tiny_walk).hexdigest(),
    }
    measured = record["measured"]
    assert (measured["frames"], measured["rate"]) == (40, "30000/1001")
    assert (measured["width"], measured["height"], measured["codec"]) == (160, 96, "h264")
    assert set(record["tools"]) == {"python", "wtours", "av", "yt-dlp", "libavformat"}
    assert record["verification"]["faults"] == record["verification"]["notes"] == []
    assert read_provenance(fetched.path) == fetched.record
    assert "walk: fetched" in describe(fetched)


def test_http_comes_whole_and_leaves_nothing_else(tmp_path: Path, site: Site) -> None:
    told: list[tuple[Any, ...]] = []
    fetched = fetch(tmp_path, http(site), progress=lambda *step: told.append(step))
    assert fetched.path.read_bytes() == site.content
    assert files(tmp_path) == WHOLE
    size_bytes = len(site.content)
    assert ("walk", "fetching", size_bytes, size_bytes) in told
    assert told[-1] == ("walk", "verifying", size_bytes, size_bytes)
    assert fetched.record.platform["etag"] == '"first"'


def test_second_fetch_asks_nobody_and_says_so(tmp_path: Path, site: Site) -> None:
    first = fetch(tmp_path, http(site))
    asked = len(site.asked)
    second = fetch(tmp_path, http(site))
    assert len(site.asked) == asked
    assert (second.status, second.record) == ("already there", first.record)


def test_changed_video_is_an_error_with_both_hashes(tmp_path: Path, site: Site) -> None:
    path = fetch(tmp_path, http(site)).path
    recorded = hashlib.sha256(site.content).hexdigest()
    path.write_bytes(site.content[:-1] + b"x")
    changed = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WtoursError, match=f"{changed}, recorded is {recorded}"):
        fetch(tmp_path, http(site))


@pytest.mark.parametrize("damage", ["{", "[]", '{"record_version": 1}', '{"record_version": 9}'])
def test_damaged_record_is_named(tmp_path: Path, site: Site, damage: str) -> None:
    fetch(tmp_path, http(site)).record_path.write_text(damage)
    with pytest.raises(WtoursError, match=r"walk\.json is not a usable record"):
        fetch(tmp_path, http(site))


def test_video_without_record_is_not_taken_for_fetched(tmp_path: Path, site: Site) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "walk.webm").write_bytes(b"mine")
    with pytest.raises(WtoursError, match=r"walk\.webm has no record walk\.json"):
        fetch(tmp_path, http(site))
    assert (tmp_path / "out" / "walk.webm").read_bytes() == b"mine"


def test_exchanged_source_is_noted(tmp_path: Path, site: Site) -> None:
    fetch(tmp_path, http(site))
    again = fetch(tmp_path, {"kind": "http", "url": site.url + "?other"})
    assert any("which the manifest does not list" in note for note in again.notes)


def test_next_run_goes_on_where_the_last_one_gave_up(tmp_path: Path, site: Site) -> None:
    half = len(site.content) // 2
    site.cuts = [half, 0, 0, 0]
    with pytest.raises(WtoursError, match=f"{half} bytes are there; run the same command again"):
        fetch(tmp_path, http(site))
    assert files(tmp_path) == ["walk.mp4.part", "walk.mp4.part.json"]
    (plan,) = plan_fetch([], manifest=tmp_path / "mine.toml", out=tmp_path / "out")
    assert (plan.status, plan.have_bytes) == ("to resume", half)
    assert fetch(tmp_path, http(site)).path.read_bytes() == site.content
    assert site.sent_bytes == len(site.content)
    assert files(tmp_path) == WHOLE


def test_broken_video_gets_no_final_name(tmp_path: Path, site: Site) -> None:
    site.content = site.content[: len(site.content) // 2]
    with pytest.raises(WtoursError, match=r"gave no usable video: .* is cut short"):
        fetch(tmp_path, http(site))
    assert files(tmp_path) == []


def test_hash_of_the_manifest_is_asked_for(tmp_path: Path, site: Site) -> None:
    right = hashlib.sha256(site.content).hexdigest()
    with pytest.raises(WtoursError, match=f"is {right}, that of the manifest is {'0' * 64}"):
        fetch(tmp_path, {**http(site), "sha256": "0" * 64})
    assert fetch(tmp_path, {**http(site), "sha256": right}).status == "fetched"


def test_next_source_is_tried_and_every_failure_told(tmp_path: Path, site: Site) -> None:
    missing = {"kind": "file", "path": "none.mp4"}
    fetched = fetch(tmp_path, missing, http(site))
    assert fetched.record.source == {"kind": "http", "url": site.url}
    assert [note.partition(": ")[0] for note in fetched.notes] == ["passed over"]
    assert "no such file; correct the path" in fetched.notes[0]
    (tmp_path / "out" / "walk.mp4").unlink()
    site.refusals = [(404, {})]
    with pytest.raises(WtoursError) as caught:
        fetch(tmp_path, missing, http(site))
    assert re.search(
        r"none of its 2 sources works: \(1\) .*no such file; \(2\) .*404", str(caught.value)
    )
    assert re.fullmatch(r"\(1\) correct the path .*; \(2\) open the .*", caught.value.remedy)


def test_video_that_is_not_as_stated_is_kept_but_not_handed_on(tmp_path: Path, site: Site) -> None:
    """What came is good for --force, which downloads nothing again and leaves its trace."""
    manifest = manifest_of(tmp_path, http(site), stated="fps = 60\n")
    out, forced = tmp_path / "out", replace(QUICK, force=True)
    with pytest.raises(WtoursError, match=r"must not be used: .*29\.97.*60.*--force") as caught:
        fetch_videos([], manifest=manifest, out=out, settings=QUICK)
    assert files(tmp_path) == ["walk.mp4.part", "walk.mp4.part.json"]
    (fetched,) = fetch_videos([], manifest=manifest, out=out, settings=forced)
    assert site.sent_bytes == len(site.content)
    (fault,) = fetched.record.verification["faults"]
    assert fault in str(caught.value)
    assert fetched.record.verification["forced"] is True
    (again,) = fetch_videos([], manifest=manifest, out=out, settings=QUICK)
    assert fetched.notes == again.notes == (f"forced, although {fault}",)


def test_damaged_video_is_not_to_be_forced(tmp_path: Path, site: Site) -> None:
    site.content = site.content[: len(site.content) // 2]
    with pytest.raises(WtoursError, match="gave no usable video"):
        fetch(tmp_path, http(site), settings=replace(QUICK, force=True))
    assert files(tmp_path) == []


def test_condemned_video_is_not_taken_for_good(tmp_path: Path, site: Site) -> None:
    fetched = fetch(tmp_path, http(site))
    values = json.loads(fetched.record_path.read_text())
    values["verification"]["faults"] = ["walk.mp4: its picture is black"]
    fetched.record_path.write_text(json.dumps(values))
    with pytest.raises(WtoursError, match=r"walk\.mp4 must not be used: .*its picture is black"):
        fetch(tmp_path, http(site))


def test_other_hash_in_the_manifest_than_fetched_is_told(tmp_path: Path, site: Site) -> None:
    fetch(tmp_path, http(site))
    with pytest.raises(WtoursError, match=f"the manifest asks for {'0' * 64}"):
        fetch(tmp_path, {**http(site), "sha256": "0" * 64})


def test_sample_walk_is_rendered_with_its_truth(
    tmp_path: Path, tiny_walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renderer itself has its own tests; here another one stands for it."""
    from wtours import sample_walk

    def render(path: Path, *, progress: Any) -> None:
        path.write_bytes(tiny_walk)
        sample_walk.truth_path(path).write_text("{}")
        progress(1.0)

    monkeypatch.setattr(sample_walk, "render_sample_walk", render)
    told: list[tuple[Any, ...]] = []
    fetched = fetch(tmp_path, {"kind": "rendered"}, progress=lambda *step: told.append(step))
    assert files(tmp_path) == [*WHOLE, "walk.truth.json"]
    assert fetched.record.source == {"kind": "rendered", "url": "rendered by this package"}
    assert ("walk", "rendering", 1000, 1000) in told
