"""requirements.lock: exact, hashed, without addresses, one OpenCV, and what pyproject.toml asks."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
ENTRIES = [entry for entry in re.split(r"\n(?=\S)", LOCK.strip()) if not entry.startswith("#")]
PINS = [Requirement(re.split(r"\s\\?\n|\s--hash", entry)[0]) for entry in ENTRIES]
ASKED = [
    Requirement(text)
    for text in (
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["youtube"],
        *PROJECT["dependency-groups"]["dev"],
        *PROJECT["build-system"]["requires"],
    )
]


def test_the_lock_holds_no_address_and_no_option_but_hashes() -> None:
    assert "://" not in LOCK
    assert " @ " not in LOCK
    assert set(re.findall(r"(?<!\S)--?[a-z-]+", LOCK)) == {"--hash"}


def test_every_pin_is_exact_and_hashed() -> None:
    assert len(PINS) > 80
    for pin, entry in zip(PINS, ENTRIES, strict=True):
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), str(pin)
        hashes = re.findall(r"--hash=(\S+)", entry)
        assert hashes, str(pin)
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), str(pin)


def test_only_the_headless_opencv_is_locked() -> None:
    names = {canonicalize_name(pin.name) for pin in PINS}
    assert {name for name in names if name.startswith("opencv")} == {"opencv-python-headless"}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_the_lock_is_up_to_date_with_what_is_asked_for(asked: Requirement) -> None:
    """Otherwise: `make lock`."""
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(asked.name)]
    assert pins, f"{asked.name} is not locked"
    for pin in pins:
        (exact,) = pin.specifier
        assert asked.specifier.contains(Version(exact.version)), f"{pin} is not {asked}"


def test_overrides_leave_out_what_would_overwrite_the_headless_opencv() -> None:
    overrides = [Requirement(text) for text in PROJECT["tool"]["uv"]["override-dependencies"]]
    assert {one.name for one in overrides} == {"opencv-python", "opencv-contrib-python"}
    for one in overrides:
        assert one.marker is not None
        assert not one.marker.evaluate()
