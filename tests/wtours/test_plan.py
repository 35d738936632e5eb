"""Before anything is fetched: sizes, formats, terms, and one codec for all; nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.web_server import Site
from tests.wtours.youtube_stand_in import answer
from wtours.errors import WtoursError
from wtours.fetch import FetchSettings, fetch_videos, plan_fetch, sources
from wtours.fetch.landing import UnreachableError
from wtours.fetch.plan import Planned, format_text, write_metadata
from wtours.manifest import Source, read_manifest
from wtours.provenance import read_provenance

QUICK = FetchSettings(retries=1, first_wait_s=0.01, timeout_s=5)


IDS = {"a": "aaaaaaaaaaa", "b": "bbbbbbbbbbb", "c": "ccccccccccc"}


Answers = dict[str, dict[str, Any] | WtoursError]


@pytest.fixture
def asked() -> list[str]:
    """Ids of the videos that YouTube was asked for."""
    return []


@pytest.fixture
def youtube(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> Answers:
    """What YouTube answers, by id; the test fills it in."""
    answers: Answers = {}

    def ask(source: Source, settings: FetchSettings) -> dict[str, Any]:
        asked.append(str(source.id))
        found = answers[str(source.id)]
        if isinstance(found, WtoursError):
            raise found
        return found

    monkeypatch.setattr(sources, "ask_youtube", ask)
    return answers


Manifests = Callable[..., Path]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifests:
    """Write a manifest of the named videos, each from YouTube, with more text for each."""

    def write(*names: str, more: str = "") -> Path:
        text = "".join(
            f'[[video]]\nname = "{name}"\n[[video.source]]\nkind = "youtube"\n'
            f'id = "{IDS[name]}"\n{more}\n'
            for name in names
        )
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


def plan(tmp_path: Path, manifest: Path, **settings: Any) -> dict[str, Planned]:
    chosen = FetchSettings(**{"retries": 1, "first_wait_s": 0.01, **settings})
    plans = plan_fetch([], manifest=manifest, out=tmp_path / "out", settings=chosen)
    return {one.name: one for one in plans}


def test_plan_tells_size_format_and_terms_and_touches_nothing(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url, size_bytes=1234)
    one = plan(tmp_path, manifest("a"))["a"]
    assert (one.status, one.size_bytes, one.missing_bytes) == ("to fetch", 1234, 1234)
    assert one.target == tmp_path / "out" / "a.mp4"
    assert one.licence is not None
    assert one.licence.name == "Creative Commons Attribution license (reuse allowed)"
    assert format_text(one.offer) == "160x96, 30 fps, avc1.4d400b, format 300"
    assert one.faults == ()
    assert not (tmp_path / "out").exists()
    assert site.asked == []


def test_http_is_asked_for_its_size_and_files_tell_theirs(
    tmp_path: Path, site: Site, tiny_walk: bytes
) -> None:
    (tmp_path / "mine.mp4").write_bytes(tiny_walk)
    text = "".join(
        f'[[video]]\nname = "{name}"\n[[video.source]]\n{source}\n'
        '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'
        for name, source in (
            ("near", 'kind = "file"\npath = "mine.mp4"'),
            ("far", f'kind = "http"\nurl = "{site.url}"'),
            ("gone", 'kind = "file"\npath = "none.mp4"'),
        )
    )
    (tmp_path / "mine.toml").write_text(text)
    plans = plan(tmp_path, tmp_path / "mine.toml")
    assert [plans[name].size_bytes for name in ("near", "far", "gone")] == [
        len(tiny_walk),
        len(tiny_walk),
        None,
    ]
    assert plans["gone"].status == "not to be had"
    assert "no such file" in plans["gone"].faults[0]
    assert site.sent_bytes == 0


def test_part_and_whole_are_known(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url, size_bytes=len(site.content))
    path = manifest("a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4.part").write_bytes(site.content[:100])
    receipt = tmp_path / "out" / "a.mp4.part.json"
    for of_what in (None, {"id": IDS["a"], "format_id": "other"}):  # fetching would start anew
        if of_what is not None:
            receipt.write_text(json.dumps(of_what))
        assert plan(tmp_path, path)["a"].status == "to fetch"
    offer = plan(tmp_path, path)["a"].offer
    assert offer is not None
    receipt.write_text(json.dumps(offer.part_of))
    resumed = plan(tmp_path, path)["a"]
    assert (resumed.status, resumed.have_bytes) == ("to resume", 100)
    assert resumed.missing_bytes == len(site.content) - 100
    fetch_videos([], manifest=path, out=tmp_path / "out", settings=QUICK)
    there = plan(tmp_path, path)["a"]
    assert (there.status, there.missing_bytes) == ("already there", 0)


def test_one_codec_for_all_and_who_lacks_it_is_told(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site, asked: list[str]
) -> None:
    """A and c have AV1 alone in common; b has VP9 alone, which alone would come first."""
    youtube |= {
        IDS["a"]: answer(IDS["a"], site.url, codecs=("av1", "vp9")),
        IDS["b"]: answer(IDS["b"], site.url, codecs=("vp9",)),
        IDS["c"]: answer(IDS["c"], site.url, codecs=("av1",)),
    }
    alone = plan(tmp_path, manifest("a"))
    assert "vp9" in format_text(alone["a"].offer)
    plans = plan(tmp_path, manifest("a", "c"))
    assert all("av01" in format_text(plans[name].offer) for name in "ac")
    asked.clear()
    plans = plan(tmp_path, manifest("a", "b", "c"))
    taken = [format_text(plans[name].offer) for name in "abc"]
    assert "vp9" in taken[0] and "vp9" in taken[1] and "av01" in taken[2]  # noqa: PT018
    told = ["VP9" in " ".join(plans[name].notes) for name in "abc"]
    assert told == [False, False, True]
    assert asked == list(IDS.values())  # the survey's answers served the plan too


def test_one_codec_is_fetched_for_all_that_are_missing(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site, asked: list[str]
) -> None:
    """What is there is not asked for again; forced, since the files are of neither codec."""
    forced = FetchSettings(force=True)
    youtube |= {
        IDS["a"]: answer(IDS["a"], site.url, codecs=("av1", "vp9")),
        IDS["b"]: answer(IDS["b"], site.url, codecs=("vp9",)),
        IDS["c"]: answer(IDS["c"], site.url, codecs=("av1",)),
    }

    def codecs(*names: str) -> list[str]:
        fetched = fetch_videos(
            names, manifest=manifest("a", "b", "c"), out=tmp_path / "out", settings=forced
        )
        return [str(one.record.platform["format"]["vcodec"])[:3] for one in fetched]

    assert codecs("b") == ["vp9"]
    asked.clear()
    assert codecs("a", "b", "c") == ["av0", "vp9", "av0"]
    assert asked == [IDS["a"], IDS["c"]]


def test_unreachable_platform_is_asked_once(
    tmp_path: Path, manifest: Manifests, youtube: Answers, asked: list[str]
) -> None:
    for video_id in IDS.values():
        youtube[video_id] = UnreachableError("no such server", remedy="connect this machine")
    plans = plan(tmp_path, manifest("a", "b", "c"))
    assert {one.status for one in plans.values()} == {"not to be had"}
    assert all("no such server" in one.faults[0] for one in plans.values())
    assert asked == [IDS["a"]]


def test_private_video_keeps_no_other_from_being_planned(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube |= {
        IDS["a"]: WtoursError("the video is private", remedy="ask its owner"),
        IDS["b"]: answer(IDS["b"], site.url),
    }
    plans = plan(tmp_path, manifest("a", "b"))
    assert plans["a"].faults == ("the video is private; ask its owner",)
    assert plans["b"].status == "to fetch"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"licence": None}, ["shows no licence", '--accept-licence "none"']),
        ({"licence": "Standard YouTube License"}, ["'Standard YouTube License'"]),
        ({"duration_s": 5000.0}, ["5000.0 s", "states 1.3 s"]),
        ({"lines": 48}, ["48"]),
        ({"fps": 15}, ["15"]),
    ],
)
def test_another_video_than_stated_is_refused_before_it_is_fetched(
    tmp_path: Path,
    manifest: Manifests,
    youtube: Answers,
    site: Site,
    given: dict[str, Any],
    words: list[str],
) -> None:
    """An id that was exchanged shows in its length, long before twenty gigabytes have come."""
    youtube[IDS["a"]] = answer(IDS["a"], site.url, **given)
    stated = "[video.stated]\nwidth = 160\nheight = 96\nfps = 30\nduration_s = 1.3"
    path = manifest("a", more=stated)
    one = plan(tmp_path, path)["a"]
    assert one.status == "not to be had"
    for word in words:
        assert word in one.faults[0]
    with pytest.raises(WtoursError) as caught:
        fetch_videos([], manifest=path, out=tmp_path / "out", settings=QUICK)
    assert all(word in str(caught.value) for word in words)
    assert site.asked == []


def test_less_than_stated_is_no_fault_where_less_was_asked_for(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url, lines=48, fps=15)
    path = manifest("a", more="[video.stated]\nwidth = 160\nheight = 96\nfps = 30")
    assert plan(tmp_path, path, resolution=48, fps=15)["a"].status == "to fetch"


@pytest.mark.parametrize("there", ["record", "fault", "nothing"])
def test_plan_refuses_what_is_there_as_fetching_does(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site, there: str
) -> None:
    """All that a record tells; the hash of tens of gigabytes is left to fetching."""
    youtube[IDS["a"]] = answer(IDS["a"], site.url)
    path, out = manifest("a"), tmp_path / "out"
    if there == "nothing":
        out.mkdir()
        (out / "a.mp4").write_bytes(b"mine")
    else:
        (fetched,) = fetch_videos([], manifest=path, out=out, settings=QUICK)
        values = json.loads(fetched.record_path.read_text())
        values["verification"]["faults"] = ["it is black"] if there == "fault" else []
        fetched.record_path.write_text(json.dumps(values))
    one = plan(tmp_path, path)["a"]
    if there == "record":
        assert (one.status, one.faults) == ("already there", ())
        return
    assert one.status == "not to be had"
    with pytest.raises(WtoursError) as caught:
        fetch_videos([], manifest=path, out=out, settings=QUICK)
    assert one.faults == (str(caught.value),)


def test_licence_that_is_shown_is_not_evaded_by_a_copy(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    """Whoever wants the copy under the copy's terms names it: --source."""
    youtube[IDS["a"]] = answer(IDS["a"], site.url, licence=None)
    more = (
        f'[[video.source]]\nkind = "http"\nurl = "{site.url}"\n'
        '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'
    )
    path = manifest("a", more=more)
    one = plan(tmp_path, path)["a"]
    assert (one.status, "shows no licence" in one.faults[0]) == ("not to be had", True)
    with pytest.raises(WtoursError, match="shows no licence"):
        fetch_videos([], manifest=path, out=tmp_path / "out", settings=QUICK)
    assert site.asked == []
    assert plan(tmp_path, path, sources=("http",))["a"].status == "to fetch"


@pytest.mark.parametrize(
    "given", [{"cookies": Path("none.txt")}, {"cookies_from_browser": "netscape"}]
)
def test_cookies_that_cannot_be_had_are_told_before_anybody_is_asked(
    tmp_path: Path,
    manifest: Manifests,
    youtube: Answers,
    asked: list[str],
    given: dict[str, Any],
) -> None:
    """Else a copy elsewhere would be taken, for a name that was mistyped."""
    with pytest.raises(WtoursError, match="--cookies"):
        plan(tmp_path, manifest("a"), **given)
    assert asked == []


def test_folder_that_cannot_be_made_is_named(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url)
    path = manifest("a")
    (tmp_path / "file").write_text("")
    (video,) = read_manifest(path).videos
    with pytest.raises(WtoursError, match="file cannot be made a folder"):
        write_metadata(plan(tmp_path, path)["a"], video, tmp_path / "file")


def test_accepted_licence_is_recorded(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url, licence=None)
    settings = FetchSettings(accept_licences=("none",))
    (fetched,) = fetch_videos([], manifest=manifest("a"), out=tmp_path / "out", settings=settings)
    assert fetched.record.licence["accepted"] == "none"
    assert fetched.record.licence["shown_by_platform"] is True
    assert read_provenance(fetched.path) == fetched.record


def test_sources_may_be_chosen_and_ordered(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url)
    more = (
        f'[[video.source]]\nkind = "http"\nurl = "{site.url}"\n'
        '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'
    )
    path = manifest("a", more=more)

    def kind(*kinds: str) -> str:
        offer = plan(tmp_path, path, sources=kinds)["a"].offer
        assert offer is not None
        return offer.source.kind

    assert kind() == "youtube"
    assert kind("http") == "http"
    assert kind("http", "youtube") == "http"
    assert kind("youtube", "http") == "youtube"
    (fault,) = plan(tmp_path, path, sources=("figshare",))["a"].faults
    assert "no source of kind figshare, only youtube, http" in fault


def test_metadata_is_written_without_the_video(
    tmp_path: Path, manifest: Manifests, youtube: Answers, site: Site
) -> None:
    youtube[IDS["a"]] = answer(IDS["a"], site.url, size_bytes=99)
    path = manifest("a")
    (video,) = read_manifest(path).videos
    written = write_metadata(plan(tmp_path, path)["a"], video, tmp_path / "out")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["a.metadata.json"]
    values = json.loads(written.read_text())
    assert values["platform"]["title"] == f"A walk ({IDS['a']})"
    assert values["platform"]["format"]["format_id"] == "300"
    assert (values["size_bytes"], values["source"]["id"]) == (99, IDS["a"])
    assert values["licence"]["seen"].startswith("Creative Commons")


def test_pause_is_kept_between_questions(
    tmp_path: Path,
    manifest: Manifests,
    youtube: Answers,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(sources.time, "sleep", slept.append)
    for video_id in IDS.values():
        youtube[video_id] = answer(video_id, site.url)
    plan(tmp_path, manifest("a", "b", "c"), sleep_s=7)
    assert len(slept) == 2
    assert all(6 < one_s <= 7 for one_s in slept)
