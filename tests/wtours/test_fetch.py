"""A video comes whole, checked and recorded from every source, or not at all."""

import errno
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.tiny_videos import write_tiny_video
from tests.wtours.web_server import Site, serve
from tests.wtours.youtube_stand_in import answer
from wtours.errors import WtoursError
from wtours.fetch import Fetched, FetchSettings, describe, fetch_videos, plan_fetch
from wtours.fetch import landing as landing_module
from wtours.fetch import local as local_module
from wtours.fetch import videos as videos_module
from wtours.fetch.landing import DiskFullError, Landing
from wtours.fetch.sources import Sources
from wtours.manifest import Video
from wtours.provenance import read_provenance

WHOLE = ["ATTRIBUTION.md", "walk.json", "walk.mp4"]
QUICK = FetchSettings(retries=3, first_wait_s=0.01, timeout_s=5)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole video of some hundred kilobytes."""
    folder = tmp_path_factory.mktemp("walk")
    return write_tiny_video(folder / "walk.mp4", frames=40, size=(160, 96)).read_bytes()


@pytest.fixture(scope="module")
def other_walk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Another video, longer than `walk`."""
    folder = tmp_path_factory.mktemp("other")
    return write_tiny_video(folder / "walk.mp4", frames=50, size=(160, 96)).read_bytes()


@pytest.fixture
def site(walk: bytes) -> Iterator[Site]:
    with serve(Site(walk)) as served:
        yield served


LICENSED = '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'


def manifest_of(folder: Path, *sources: dict[str, str], stated: str = "") -> Path:
    text = '[[video]]\nname = "walk"\ncity = "Ghent"\n'
    for source in sources:
        text += "[[video.source]]\n" + "".join(f"{k} = {v!r}\n" for k, v in source.items())
    path = folder / "mine.toml"
    path.write_text(text + LICENSED + stated)
    return path


def several(folder: Path, *sources: dict[str, str]) -> Path:
    """Write a manifest of videos a, b, c, ... with a source each."""
    text = "[stated]" + LICENSED.removeprefix("[video.stated]")
    for name, source in zip("abcdefgh", sources, strict=False):
        text += f'[[video]]\nname = "{name}"\n[[video.source]]\n'
        text += "".join(f"{k} = {v!r}\n" for k, v in source.items())
    path = folder / "several.toml"
    path.write_text(text)
    return path


def fetch(folder: Path, *sources: dict[str, str], **options: Any) -> Fetched:
    manifest = manifest_of(folder, *sources)
    (fetched,) = fetch_videos(
        ["walk"], manifest=manifest, out=folder / "out", **{"settings": QUICK, **options}
    )
    return fetched


def http(site: Site) -> dict[str, str]:
    return {"kind": "http", "url": site.url}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def test_file_comes_with_its_record(tmp_path: Path, walk: bytes) -> None:
    (tmp_path / "mine.mp4").write_bytes(walk)
    stated = "width = 160\nheight = 96\nfps = 29.97\n"
    manifest = manifest_of(tmp_path, {"kind": "file", "path": "mine.mp4"}, stated=stated)
    (fetched,) = fetch_videos([], manifest=manifest, out=tmp_path / "out")
    assert files(tmp_path) == WHOLE
    assert fetched.path.read_bytes() == walk
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
        "size_bytes": len(walk),
        "sha256": hashlib.sha256(walk).hexdigest(),
    }
    measured = record["measured"]
    assert (measured["frames"], measured["rate"]) == (40, "30000/1001")
    assert (measured["width"], measured["height"], measured["codec"]) == (160, 96, "h264")
    assert set(record["tools"]) == {"python", "wtours", "av", "yt-dlp", "libavformat"}
    assert record["verification"]["faults"] == record["verification"]["notes"] == []
    assert read_provenance(fetched.path) == fetched.record
    assert "walk: fetched" in describe(fetched)


def test_file_is_copied_where_it_cannot_be_linked(
    tmp_path: Path, walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    (tmp_path / "mine.mp4").write_bytes(walk)
    assert fetch(tmp_path, {"kind": "file", "path": "mine.mp4"}).path.stat().st_nlink == 2
    monkeypatch.setattr(local_module.os, "link", refuse)
    (tmp_path / "out" / "walk.mp4").unlink()
    fetched = fetch(tmp_path, {"kind": "file", "path": (tmp_path / "mine.mp4").as_uri()})
    assert fetched.path.read_bytes() == walk
    assert fetched.path.stat().st_nlink == 1


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


def test_one_failure_keeps_no_other_from_coming(tmp_path: Path, walk: bytes) -> None:
    (tmp_path / "b.mp4").write_bytes(walk)
    manifest = several(tmp_path, *({"kind": "file", "path": f"{name}.mp4"} for name in "abc"))
    finished: list[str] = []
    with pytest.raises(WtoursError, match=r"2 of 3 videos could not be fetched: a: .*; c: "):
        fetch_videos(
            [],
            manifest=manifest,
            out=tmp_path / "out",
            finished=lambda fetched: finished.append(fetched.name),
        )
    assert finished == ["b"]


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


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_several_at_once_come_as_one_after_the_other(
    tmp_path: Path, site: Site, walk: bytes, jobs: int
) -> None:
    manifest = several(tmp_path, *(http(site) for _ in range(5)))
    site.drip_s = 0.01
    told: list[str] = []
    settings = replace(QUICK, jobs=jobs)
    fetched = fetch_videos(
        [],
        manifest=manifest,
        out=tmp_path / "out",
        settings=settings,
        progress=lambda name, *step: told.append(name),
    )
    assert [one.name for one in fetched] == list("abcde")
    assert all(one.path.read_bytes() == walk for one in fetched)
    assert set(told) == set("abcde")
    changes = sum(a != b for a, b in pairwise(told))
    assert (changes == 4) is (jobs == 1)  # with more, their progress is mixed
    attribution = (tmp_path / "out" / "ATTRIBUTION.md").read_text()
    assert attribution.count(site.url) >= 5


@pytest.mark.parametrize(("videos", "jobs", "share"), [(1, 5, 1.0), (3, 2, 0.5), (3, 9, 1 / 3)])
def test_limit_of_speed_is_shared_by_those_that_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, videos: int, jobs: int, share: float
) -> None:
    given: list[float | None] = []

    def note_limit(video: Video, *, sources: Sources, **more: object) -> Fetched:
        given.append(sources.settings.rate_limit_bytes_s)
        raise WtoursError("not today", remedy="come again")

    monkeypatch.setattr(videos_module, "fetch_video", note_limit)
    manifest = several(tmp_path, *({"kind": "rendered"} for _ in range(videos)))
    settings = FetchSettings(rate_limit_bytes_s=600.0, jobs=jobs)
    with pytest.raises(WtoursError, match="not today"):
        fetch_videos([], manifest=manifest, out=tmp_path / "out", settings=settings)
    assert given == [pytest.approx(600 * share)] * videos


def test_interrupted_run_of_several_leaves_parts_and_whole_videos(
    tmp_path: Path, site: Site, walk: bytes
) -> None:
    manifest = several(tmp_path, *(http(site) for _ in range(4)))
    site.drip_s = 0.02

    def interrupt(fetched: Fetched) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"manifest": manifest, "out": tmp_path / "out"}
    settings = replace(QUICK, jobs=2)
    with pytest.raises(KeyboardInterrupt):
        fetch_videos([], **options, settings=settings, finished=interrupt)
    assert not any(name.endswith(".lock") for name in files(tmp_path))
    site.drip_s = 0
    fetched = fetch_videos([], **options, settings=settings)
    assert all(one.path.read_bytes() == walk for one in fetched)
    expected = sorted([*(f"{n}.{e}" for n in "abcd" for e in ("json", "mp4")), "ATTRIBUTION.md"])
    assert files(tmp_path) == expected


def test_second_run_at_the_same_time_is_sent_away(tmp_path: Path, site: Site) -> None:
    """Whoever comes second gets a sentence, touches nothing, and may try again later."""
    landing = Landing(folder=tmp_path / "out", name="walk")
    landing.folder.mkdir()
    with landing.held(), pytest.raises(WtoursError, match="is being fetched by another run"):
        fetch(tmp_path, http(site))
    assert site.asked == []
    assert fetch(tmp_path, http(site)).status == "fetched"
    assert files(tmp_path) == WHOLE


def test_full_disk_is_told_before_and_while_writing(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(landing_module.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(DiskFullError, match=r"no room is left on the disk: \d+ kB more"):
        fetch(tmp_path, http(site))
    Usage.free = 10**12
    with (
        pytest.raises(DiskFullError, match=r"walk\.part: no room .* 900 B more"),
        landing_module.room_on_disk(tmp_path / "walk.part", 1000),
    ):
        _fill_disk(tmp_path / "walk.part")


def test_full_disk_is_not_answered_by_another_source(
    tmp_path: Path, site: Site, walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    def refuse(*paths: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    (tmp_path / "mine.mp4").write_bytes(walk)
    monkeypatch.setattr(landing_module.shutil, "disk_usage", lambda folder: Usage)
    monkeypatch.setattr(local_module.os, "link", refuse)
    with pytest.raises(DiskFullError):
        fetch(tmp_path, {"kind": "file", "path": "mine.mp4"}, http(site))
    assert site.asked == []


def test_parts_beside_a_whole_video_are_removed(tmp_path: Path, site: Site) -> None:
    """Killed between its name and the end of the clearing, or fetched in another format before."""
    fetch(tmp_path, http(site))
    for name in ("walk.webm.part", "walk.webm.part.json", "walk.mp4.part"):
        (tmp_path / "out" / name).write_text("x")
    (tmp_path / "out" / "walk2.mp4.part").write_text("another video's")
    assert fetch(tmp_path, http(site)).status == "already there"
    assert files(tmp_path) == [*WHOLE, "walk2.mp4.part"]


def test_downloads_of_others_end_soon_after_an_interruption(tmp_path: Path, site: Site) -> None:
    manifest = several(tmp_path, *(http(site) for _ in range(3)))
    site.drip_s = 0.05
    under_way = threading.Event()

    def stop(fault: str, error: WtoursError) -> None:
        assert under_way.wait(5)
        raise KeyboardInterrupt

    site.refusals = [(404, {})]  # one fails at once, which is when the user types Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        fetch_videos(
            [],
            manifest=manifest,
            out=tmp_path / "out",
            settings=replace(QUICK, jobs=3, retries=0),
            progress=lambda name, step, done, total: under_way.set() if done else None,
            failed=stop,
        )
    assert site.sent_bytes < 2 * len(site.content)
    assert not any(name.endswith(".mp4") for name in files(tmp_path))


def _fill_disk(path: Path) -> None:
    path.write_bytes(b"x" * 100)
    raise OSError(errno.ENOSPC, "No space left on device")


def test_folder_that_cannot_be_used_is_named(tmp_path: Path, site: Site) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WtoursError, match=r"out cannot be made a folder"):
        fetch(tmp_path, http(site))
    (tmp_path / "out").unlink()
    (tmp_path / "out" / "walk.json.part").mkdir(parents=True)  # where the record is to be written
    with pytest.raises(WtoursError, match=r"walk\.json\.part: Is a directory"):
        fetch(tmp_path, http(site))
    assert not (tmp_path / "out" / "walk.mp4").exists()


def test_killed_between_record_and_name_is_finished_by_the_next(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wtours.fetch import one_video

    def die(part: Path, final: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(one_video, "put_in_place", die)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, http(site))
    assert files(tmp_path) == ["walk.json", "walk.mp4.part", "walk.mp4.part.json"]
    asked = len(site.asked)
    assert fetch(tmp_path, http(site)).path.read_bytes() == site.content
    assert len(site.asked) == asked  # the part was whole
    assert files(tmp_path) == WHOLE


def test_sample_walk_is_rendered_with_its_truth(
    tmp_path: Path, walk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renderer itself has its own tests; here another one stands for it."""
    from wtours import sample_walk

    def render(path: Path, *, progress: Any) -> None:
        path.write_bytes(walk)
        sample_walk.truth_path(path).write_text("{}")
        progress(1.0)

    monkeypatch.setattr(sample_walk, "render_sample_walk", render)
    told: list[tuple[Any, ...]] = []
    fetched = fetch(tmp_path, {"kind": "rendered"}, progress=lambda *step: told.append(step))
    assert files(tmp_path) == [*WHOLE, "walk.truth.json"]
    assert fetched.record.source == {"kind": "rendered", "url": "rendered by this package"}
    assert ("walk", "rendering", 1000, 1000) in told


def test_second_run_keeps_to_the_codec_of_the_first(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that was begun in one codec is not gone on with in another, though it comes first."""
    from wtours.fetch import sources

    ids = {"a": "aaaaaaaaaaa", "b": "bbbbbbbbbbb", "c": "ccccccccccc"}
    codecs = {"a": ("h264", "vp9"), "b": ("h264",), "c": ("h264", "vp9")}

    def ask(source: Any, settings: FetchSettings) -> dict[str, Any]:
        (name,) = (name for name, video_id in ids.items() if video_id == source.id)
        return answer(source.id, site.url, codecs=codecs[name])

    monkeypatch.setattr(sources, "ask_youtube", ask)
    path = tmp_path / "mine.toml"
    path.write_text(
        "".join(
            f'[[video]]\nname = "{name}"\n[[video.source]]\nkind = "youtube"\nid = "{video_id}"\n'
            for name, video_id in ids.items()
        )
    )
    out = tmp_path / "out"
    first = fetch_videos(["a", "b"], manifest=path, out=out, settings=QUICK)
    assert [one.record.asked["settled"] for one in first] == ["h264", "h264"]
    third = fetch_videos([], manifest=path, out=out, settings=QUICK)[2]
    assert third.record.platform["format"]["vcodec"].startswith("avc1")
    assert third.record.asked["settled"] == "h264"
