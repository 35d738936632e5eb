from itertools import product

import pytest

from wtours.licence import is_creative_commons
from wtours.publishing.creative_commons import CreativeCommons, find_creative_commons

YOUTUBES = "Creative Commons Attribution license (reuse allowed)"
BY = "https://creativecommons.org/licenses/by"
CODES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")


@pytest.mark.parametrize(
    ("written", "name", "deed", "hub_id"),
    [
        (YOUTUBES, "CC BY", None, "cc"),
        ("CC BY 4.0", "CC BY 4.0", f"{BY}/4.0/", "cc-by-4.0"),
        ("cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0", f"{BY}-nc-sa/4.0/", "cc-by-nc-sa-4.0"),
        ("CC-BY", "CC BY", None, "cc"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
         "CC BY-NC-SA 4.0", f"{BY}-nc-sa/4.0/", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution-NoDerivs 2.0", "CC BY-ND 2.0", f"{BY}-nd/2.0/", "cc"),
        ("Creative Commons Attribution 4.0 International (CC BY 4.0)", "CC BY 4.0", f"{BY}/4.0/",
         "cc-by-4.0"),
        ("  CC BY 3.0  Unported ", "CC BY 3.0", f"{BY}/3.0/", "cc-by-3.0"),
        ("http://creativecommons.org/licenses/by/4.0/legalcode", "CC BY 4.0", f"{BY}/4.0/",
         "cc-by-4.0"),
        ("CC0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("Creative Commons Zero v1.0 Universal", "CC0 1.0",
         "https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "Public Domain Mark 1.0",
         "https://creativecommons.org/publicdomain/mark/1.0/", "cc"),
    ],
)  # fmt: skip
def test_names_as_they_are_written_are_understood(
    written: str, name: str, deed: str | None, hub_id: str
) -> None:
    found = find_creative_commons(written)
    assert found is not None
    assert (found.name, found.deed, found.hub_id) == (name, deed, hub_id)
    assert is_creative_commons(written)  # so that nothing is linked that would not be used


@pytest.mark.parametrize(
    ("uploaded", "name"),
    [("2018-03-21", "CC BY 3.0"), ("2025-07-31", "CC BY 3.0"), ("2025-08-01", "CC BY 4.0"),
     ("2026-11-23", "CC BY 4.0"), (None, "CC BY"), ("last year", "CC BY"), ("20180321", "CC BY")],
)  # fmt: skip
def test_youtubes_version_follows_from_the_day_of_upload(uploaded: str | None, name: str) -> None:
    found = find_creative_commons(YOUTUBES, uploaded=uploaded)
    assert found is not None
    assert found.name == name
    stated = find_creative_commons("CC BY-SA 4.0", uploaded=uploaded)
    assert stated == CreativeCommons(code="by-sa", version="4.0")


@pytest.mark.parametrize(
    "written",
    [None, "", "Standard YouTube License", "MIT", "CC BY 7.0", "CC BY 3.0 IGO", "CC BY-SA-ND 4.0",
     "https://creativecommons.org/licenses/by/3.0/de/", "https://creativecommons.org/",
     "that of its photographs: CC0", "CC BY 4.0, except where stated", "not CC BY 4.0",
     "https://example.org/creativecommons.org/licenses/by/4.0/",
     "Creative Commons Attribution 4.0 (CC BY-NC 4.0)", "CC"],
)  # fmt: skip
def test_a_name_that_is_not_understood_wholly_is_not_guessed_at(written: str | None) -> None:
    assert find_creative_commons(written) is None


def test_every_licence_is_found_by_its_own_name_and_by_its_deed() -> None:
    for code, version in product(CODES, ("1.0", "2.0", "2.5", "3.0", "4.0")):
        licence = CreativeCommons(code=code, version=version)
        assert find_creative_commons(licence.name) == licence
        assert find_creative_commons(licence.deed) == licence


def test_what_licences_forbid() -> None:
    forbidden = {
        code: (one.forbids_changes, one.forbids_commerce)
        for code in CODES
        if (one := CreativeCommons(code=code, version="4.0"))
    }
    assert [code for code, (changes, _) in forbidden.items() if changes] == ["by-nd", "by-nc-nd"]
    assert [code for code, (_, commerce) in forbidden.items() if commerce] == list(CODES[3:])
