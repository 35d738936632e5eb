"""A video is used under a Creative Commons licence, or under one that the user accepts by name."""

from dataclasses import replace

import pytest

from wtours.errors import WtoursError
from wtours.licence import Licence, is_creative_commons, require_usable

NOTHING = Licence(seen=None, shown_by_platform=False, stated=None, stated_by=None)
STATED = replace(NOTHING, stated="CC-BY", stated_by="the paper")
SEEN = replace(STATED, shown_by_platform=True)


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("Creative Commons Attribution license (reuse allowed)", True),
        ("Creative Commons Attribution licence (reuse allowed)", True),
        ("CC-BY", True),
        ("cc by-nc-sa 4.0", True),
        ("CC BY 4.0", True),
        ("CC0", True),
        ("CC0-1.0", True),
        ("https://creativecommons.org/licenses/by/4.0/", True),
        ("Standard YouTube License", False),
        ("MIT", False),
        ("all rights reserved", False),
        ("CCTV footage", False),
        ("", False),
        (None, False),
    ],
)
def test_creative_commons_is_known_by_its_names(name: str | None, free: bool) -> None:
    assert is_creative_commons(name) is free


def test_what_is_seen_counts_before_what_is_stated() -> None:
    shown = replace(SEEN, seen="Standard YouTube License")
    with pytest.raises(WtoursError, match=r"walk: the platform shows the licence 'Standard You"):
        require_usable(shown, (), video="walk")
    assert require_usable(STATED, (), video="walk") == STATED


def test_platform_that_shows_none_is_not_replaced_by_a_statement() -> None:
    with pytest.raises(WtoursError, match=r'shows no licence.*--accept-licence "none"') as caught:
        require_usable(SEEN, ("MIT",), video="walk")
    assert "stated" not in str(caught.value)


@pytest.mark.parametrize("name", ["Standard YouTube License", "standard youtube license "])
def test_acceptance_by_name_is_recorded_as_given(name: str) -> None:
    shown = replace(SEEN, seen="Standard YouTube License")
    assert require_usable(shown, ("MIT", name), video="walk").accepted == name
    assert require_usable(SEEN, ("none",), video="walk").accepted == "none"
    assert require_usable(STATED, (name,), video="walk").accepted is None  # it needed none


def test_sentence_says_who_says_it() -> None:
    assert STATED.sentence() == "licence: CC-BY (as stated by the paper)"
    assert SEEN.sentence() == "licence: none shown (as seen when it was fetched)"
    assert NOTHING.sentence() == "licence not stated"
