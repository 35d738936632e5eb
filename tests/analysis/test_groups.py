"""Groups are named patterns of shard sets; what cannot be meant is said in one sentence."""

from pathlib import Path

import pytest

from analysis.groups import open_groups, parse_domains, parse_group, videos_to_groups
from tests.analysis.sets import make_set
from wtours import WtoursError
from wtours.shards import ShardError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("walks/b", "walks/a", "rooms/kitchen"):
        make_set(tmp_path / name, frames=2)
    (tmp_path / "walks" / "notes.txt").write_text("no set")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_pattern_names_sets_or_a_folder_of_them(data: Path) -> None:
    for pattern in ("walks/*", "walks", "walks/[ab]", "walks/a,walks/b", f"{data}/walks", "w*/*"):
        (group,) = open_groups([f"WTours={pattern}"])
        assert (group.name, group.videos) == ("WTours", ("a", "b"))


def test_groups_keep_their_order_and_give_each_video_one(data: Path) -> None:
    groups = open_groups(["Rooms=rooms/*", "My walks = walks/a"])
    assert videos_to_groups(groups) == {"kitchen": "Rooms", "a": "My walks"}
    assert list(videos_to_groups(groups)) == ["kitchen", "a"]
    assert open_groups([]) == ()


def test_a_name_may_be_followed_by_a_pattern_with_an_equals_sign(data: Path) -> None:
    make_set(data / "fps=1" / "c", frames=2)
    assert parse_group("x=fps=1/*").paths == (Path("fps=1/c"),)


@pytest.mark.parametrize("text", ["", "walks/*", "=walks/*", "WTours=", "WTours=walks/a,", " =x"])
def test_what_is_no_group_is_said(data: Path, text: str) -> None:
    with pytest.raises(WtoursError, match="is no group") as raised:
        open_groups([text])
    assert "--group" in raised.value.remedy


def test_a_pattern_that_matches_nothing_is_named(data: Path) -> None:
    for pattern in ("nowhere/*", "walks/notes.txt", "walks/*.tar"):
        with pytest.raises(WtoursError, match=r"group WTours: .* matches no folder"):
            open_groups([f"WTours={pattern}"])


def test_a_name_twice_is_refused(data: Path) -> None:
    with pytest.raises(WtoursError, match="two groups are called A"):
        open_groups(["A=walks/a", " A =walks/b"])


def test_a_video_in_two_groups_is_refused(data: Path) -> None:
    with pytest.raises(WtoursError, match="video b is in group A and in group B"):
        open_groups(["A=walks/*", "B=walks/b"])


def test_a_folder_without_a_set_is_named(data: Path) -> None:
    (data / "walks" / "empty").mkdir()
    with pytest.raises(ShardError, match="empty holds no shard set"):
        open_groups(["A=walks/*"])


def test_domains_are_those_of_groups() -> None:
    assert parse_domains(["A = city walks"], ["A", "B"]) == {"A": "city walks"}
    with pytest.raises(WtoursError, match="no group C"):
        parse_domains(["C=x"], ["A"])
    with pytest.raises(WtoursError, match="no domain"):
        parse_domains(["A"], ["A"])
