"""Several videos come as one would, however many at a time; no run disturbs another."""

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.fetching import QUICK, WHOLE, fetch, files, http, several
from tests.wtours.web_server import Site
from tests.wtours.youtube_stand_in import answer
from wtours.errors import WtoursError
from wtours.fetch import Fetched, FetchSettings, fetch_videos
from wtours.fetch import videos as videos_module
from wtours.fetch.landing import Landing
from wtours.fetch.sources import Sources
from wtours.manifest import Video


def test_one_failure_keeps_no_other_from_coming(tmp_path: Path, tiny_walk: bytes) -> None:
    (tmp_path / "b.mp4").write_bytes(tiny_walk)
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


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_several_at_once_come_as_one_after_the_other(
    tmp_path: Path, site: Site, tiny_walk: bytes, jobs: int
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
    assert all(one.path.read_bytes() == tiny_walk for one in fetched)
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
    tmp_path: Path, site: Site, tiny_walk: bytes
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
    assert all(one.path.read_bytes() == tiny_walk for one in fetched)
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
