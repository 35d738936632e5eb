"""Brings a file of random bytes from a web server of the test."""

import random
from pathlib import Path
from typing import Any

import pytest

from wtours.errors import WtoursError
from wtours.fetch.http import bring_http
from wtours.fetch.landing import Arrival, Landing
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.manifest import Source

QUICK = FetchSettings(retries=3, first_wait_s=0.01, timeout_s=5)


CONTENT = b"\0\0\0\x20ftypisom" + random.Random(0).randbytes(150_000)


OTHER = b"\0\0\0\x20ftypisom" + random.Random(1).randbytes(170_000)


def source(url: str) -> Source:
    return Source(kind="http", url=url)


def bring(
    folder: Path, url: str, settings: FetchSettings = QUICK, progress: Any = lambda *_: None
) -> Arrival:
    landing = Landing(folder=folder, name="walk")
    offer = Offer(source=source(url))
    return bring_http(offer, landing, settings=settings, progress=progress)


def brought(folder: Path, url: str, settings: FetchSettings = QUICK) -> bytes:
    return bring(folder, url, settings).part.read_bytes()


def refusal(folder: Path, url: str, settings: FetchSettings = QUICK) -> WtoursError:
    with pytest.raises(WtoursError) as caught:
        bring(folder, url, settings)
    assert caught.value.remedy
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
