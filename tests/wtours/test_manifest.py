"""The packaged manifests say what the paper states, and each fault of one has its sentence."""

import re
from pathlib import Path

import pytest

from wtours.errors import WtoursError
from wtours.manifest import Manifest, packaged_manifest, read_manifest

README = Path(__file__).parents[2] / "manifests" / "README.md"
LICENSED = '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'
GOOD = '[[video]]\nname = "walk"\n[[video.source]]\nkind = "youtube"\nid = "-bcdefghij_"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_walking_tours_are_ten_and_only_what_is_stated() -> None:
    manifest = read_manifest(packaged_manifest("walking_tours"))
    ids = {video.name: video.sources[0].id for video in manifest.videos}
    assert len(ids) == 10
    assert (ids["venice"], ids["zurich"]) == ("fGX0Te6pFvk", "_NmYvuEILw4")
    for video in manifest.videos:
        stated = video.stated
        assert (stated.width, stated.height, stated.fps) == (3840, 2160, 60)
        assert (stated.licence, stated.licence_source) == ("CC-BY", "the paper")
        assert (stated.duration_s is None) == (stated.duration_source is None)
    durations_s = {video.name: video.stated.duration_s for video in manifest.videos}
    known_s = {name: value for name, value in durations_s.items() if value}
    assert known_s == {"bangkok": 10500, "venice": 6600, "wildlife": 3540}
    for video in manifest.videos:
        assert [source.kind for source in video.sources] == ["youtube", "figshare"]
        mirror = video.sources[1]
        assert (mirror.article, mirror.file) == (
            25189275,
            "Kuala_Lampur" if video.name == "kuala_lumpur" else None,
        )


def test_sample_is_rendered() -> None:
    (video,) = Manifest.read(packaged_manifest("sample")).videos
    assert (video.name, video.sources[0].kind) == ("sample_walk", "rendered")


def test_readme_explains_every_key() -> None:
    explained = set(re.findall(r"`(\w+)`", README.read_text(encoding="utf-8")))
    used = set()
    for name in ("walking_tours", "sample"):
        text = packaged_manifest(name).read_text(encoding="utf-8")
        used |= set(re.findall(r"^(\w+) = ", text, re.M))
    assert used <= explained


def test_readme_example_is_a_manifest(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    manifest = read_manifest(write(tmp_path, example))
    assert [[source.kind for source in video.sources] for video in manifest.videos] == [
        ["youtube", "http"],
        ["file"],
    ]
    assert manifest.videos[1].sources[0].path == tmp_path / "recordings" / "walk.mp4"


def test_paths_may_be_relative_absolute_or_urls(tmp_path: Path) -> None:
    for given, path in (
        ("a.mp4", tmp_path / "a.mp4"),
        ("/data/a b.mp4", Path("/data/a b.mp4")),
        ("file:///data/a%20b.mp4", Path("/data/a b.mp4")),
    ):
        text = f'[[video]]\nname = "a"\n[[video.source]]\nkind = "file"\npath = "{given}"\n'
        text += LICENSED
        assert read_manifest(write(tmp_path, text)).videos[0].sources[0].path == path


FAULTS = {
    "no TOML": ("[[video]]\nname = walk\n", ["not TOML", "line 2"]),
    "no video": ("", ["lists no video"]),
    "unknown top key": ("[[vidoe]]\n" + GOOD, ["unknown key 'vidoe'", "did you mean 'video'?"]),
    "unknown key": (GOOD.replace("name =", "naem ="), ["video 1", "'naem'", "'name'"]),
    "unknown source key": (GOOD + 'adress = "x"\n', ["video 1 (walk), source 1", "'adress'"]),
    "key of another source": (GOOD + 'url = "http://x/y"\n', ["'url'", "known keys are: id"]),
    "doubled name": (GOOD + GOOD, ["videos 1 and 2 are both named 'walk'"]),
    "bad name": (GOOD.replace("walk", "My Walk"), ["name is 'My Walk'", "lower-case"]),
    "no name": (GOOD.replace('name = "walk"\n', ""), ["video 1: the key 'name' is missing"]),
    "no source": ('[[video]]\nname = "walk"\n', ["(walk): it has no source", "rendered"]),
    "no kind": (GOOD.replace('kind = "youtube"\n', ""), ["the key 'kind' is missing"]),
    "unknown kind": (
        GOOD.replace("youtube", "yuotube"),
        ["kind is 'yuotube'", "youtube, figshare, http"],
    ),
    "no id": (GOOD.replace('id = "-bcdefghij_"\n', ""), ["the key 'id' is missing"]),
    "bad id": (GOOD.replace("-bcdefghij_", "watch?v=abc"), ["id is 'watch?v=abc'", "11"]),
    "wrong type": (GOOD.replace('"walk"', "7"), ["video 1: name is 7"]),
    "empty text": (GOOD.replace('"walk"', '" "'), ["name is ' '"]),
    "source no table": ('[[video]]\nname = "a"\nsource = "x"\n', ["source is 'x'", "[[source]]"]),
    "stated no table": (GOOD + "[[video.stated]]\nfps = 1\n", ["stated is [", "one table"]),
    "negative duration": (GOOD + "[video.stated]\nduration_s = -5\n", ["duration_s is -5"]),
    "infinite duration": (GOOD + "[video.stated]\nduration_s = inf\n", ["duration_s is inf"]),
    "truth as number": (GOOD + "[video.stated]\nfps = true\n", ["fps is True"]),
    "half a pixel": (GOOD + "[video.stated]\nwidth = 1.5\n", ["width is 1.5", "whole"]),
    "fault in common": ("[stated]\nwidth = -1\n" + GOOD, ["mine.toml, stated: width is -1"]),
    "open bracket": (
        '[[video]]\nname = "a"\n[[video.source]]\nkind = "http"\nurl = "http://[::1"\n',
        ["url is 'http://[::1'", "https://"],
    ),
    "bad url": (
        '[[video]]\nname = "a"\n[[video.source]]\nkind = "http"\nurl = "ftp://x/y"\n',
        ["url is 'ftp://x/y'", "https://"],
    ),
    "foreign file url": (
        '[[video]]\nname = "a"\n[[video.source]]\nkind = "file"\npath = "file://host/a"\n',
        ["path is 'file://host/a'"],
    ),
    "bad hash": (GOOD + 'sha256 = "abc"\n', ["sha256 is 'abc'", "64"]),
    "no licence": (
        '[[video]]\nname = "a"\n[[video.source]]\nkind = "file"\npath = "a.mp4"\n',
        ["video 1 (a)", "'file' shows no licence", "'licence' is not stated", "[video.stated]"],
    ),
    "licence of nobody": (
        GOOD + '[[video.source]]\nkind = "http"\nurl = "https://x/y"\n'
        '[video.stated]\nlicence = "CC0"\n',
        ["'http' shows no licence", "'licence_source' is not stated"],
    ),
    "no article": (GOOD + '[[video.source]]\nkind = "figshare"\n', ["source 2", "'article'"]),
    "bad mirror": (GOOD + '[[mirror]]\nkind = "zenodo"\narticle = 1\n', ["mirror 1", "figshare"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_file_entry_and_key(tmp_path: Path, fault: str) -> None:
    text, words = FAULTS[fault]
    path = write(tmp_path, text)
    with pytest.raises(WtoursError) as caught:
        read_manifest(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    for word in words:
        assert word in str(caught.value)


def test_unreadable_manifests_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes("# Zürich".encode("latin-1"))
    for path, words in (
        (tmp_path / "none.toml", "no such manifest"),
        (tmp_path, "cannot be read"),
        (latin, "not text in UTF-8 (byte 3)"),
    ):
        with pytest.raises(WtoursError, match=re.escape(words)):
            read_manifest(path)


def test_selection_keeps_the_order_of_the_manifest(tmp_path: Path) -> None:
    manifest = read_manifest(packaged_manifest("walking_tours"))
    assert [video.name for video in manifest.select(["zurich", "bangkok"])] == ["bangkok", "zurich"]
    assert manifest.select([]) == manifest.videos
    with pytest.raises(WtoursError, match=r"no video named 'venise'.*did you mean 'venice'"):
        manifest.select(["venise"])


def test_unknown_packaged_manifest_is_refused() -> None:
    with pytest.raises(WtoursError, match="one of: sample, walking_tours"):
        packaged_manifest("walking")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    """Windows' editors put one before the text."""
    path = tmp_path / "m.toml"
    entry = '[[video]]\nname = "walk"\nsource = [{ kind = "rendered" }]\n'
    path.write_bytes(b"\xef\xbb\xbf" + entry.encode())
    assert [video.name for video in read_manifest(path).videos] == ["walk"]


def test_the_sample_walk_states_what_its_photographs_terms_are() -> None:
    (walk,) = read_manifest(packaged_manifest("sample")).videos
    assert walk.stated.licence is not None
    assert "scikit-image" in str(walk.stated.licence_source)
