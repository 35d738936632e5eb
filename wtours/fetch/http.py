"""Videos from a plain web server: resumed where the server can, and never joined from two files.

A part is continued with `Range` and `If-Range` (RFC 9110, 13.1.5 and 14.2) and only if the server
gave a validator for it: a strong ETag, or a date of last change. Otherwise it starts anew.
"""

from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from wtours.containers import VIDEO_EXTENSIONS, describe_head
from wtours.errors import WtoursError
from wtours.fetch.connection import (
    Body,
    LostError,
    RefusedError,
    UnfitPartError,
    no_video,
    open_address,
    refuse_page,
)
from wtours.fetch.landing import Arrival, Landing, room_on_disk
from wtours.fetch.offer import Offer
from wtours.fetch.pace import Attempts, Pace
from wtours.fetch.settings import FetchSettings, StepProgress
from wtours.manifest import Source

_HEAD_BYTES = 1024
"""Enough of a file to tell a video from a page."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file on a server, and what a part of it on the disk is known by."""

    url: str
    extension: str
    identity: dict[str, Any]
    """A part is continued only if its receipt says the same."""
    size_bytes: int | None = None
    """Where somebody else than the server states it."""
    named_by_content: bool = False
    """Whether `identity` holds a hash, so that a part may be continued without a validator."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What matters of a response: where its bytes go, and how many there are in all."""

    offset: int
    total_bytes: int | None

    @property
    def missing_bytes(self) -> int | None:
        return None if self.total_bytes is None else self.total_bytes - self.offset


def ask_http(source: Source, settings: FetchSettings) -> Offer:
    """Ask the server at `source.url` what it has, without fetching it.

    By HEAD; a server that refuses that is asked by GET, and left after the first kilobyte.

    Raises:
        WtoursError: as for `bring_http`.
    """
    url = str(source.url)
    try:
        with open_address(url, timeout_s=settings.timeout_s, method="HEAD") as response:
            refuse_page(url, response.headers)
            said = _said(url, response.headers, _length(response.headers))
    except (LostError, WtoursError):
        said = {}  # what is really wrong, if anything, GET will tell
    if not said.get("size_bytes"):
        said = _ask_by_get(url, settings)
    return Offer(
        source=source,
        said=said,
        size_bytes=said["size_bytes"],
        extension=extension_of(url),
        part_of={"url": url},
    )


def bring_http(
    offer: Offer, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> Arrival:
    """Fetch the file at the source's address to its partial name, in as many attempts as it takes.

    Args:
        offer: only its source is used, so that nobody has to ask first.
        landing: where the part is.
        settings: attempts, time limit, speed.
        progress: may raise, to stop: the part stays and can be continued.

    Raises:
        WtoursError: the server refuses, sends a web page, or sends less than it announces; or the
            connection fails too often in a row. What was fetched stays, to be continued.
        DiskFullError: there is no room.
    """
    url = str(offer.source.url)
    wanted = Wanted(url=url, extension=extension_of(url), identity={"url": url})
    said = download(wanted, landing, settings=settings, progress=progress)
    part = landing.part(wanted.extension)
    return Arrival(part=part, extension=wanted.extension, said=said)


def download(
    wanted: Wanted, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> dict[str, Any]:
    """Bring a file to its partial name, whole; return what the server said of it.

    Raises:
        WtoursError, DiskFullError: as `bring_http` does.
    """
    part = landing.part(wanted.extension)
    last: tuple[int, int | None] = (0, wanted.size_bytes)

    def tell(done_bytes: int, total_bytes: int | None) -> None:
        nonlocal last
        last = (done_bytes, total_bytes)
        progress(*last)

    attempts = Attempts(wanted.url, settings, told=lambda: progress(*last))
    pace = Pace(settings.rate_limit_bytes_s)
    while True:
        try:
            return _attempt(wanted, landing, attempts, pace, settings.timeout_s, tell)
        except LostError as fault:
            size_bytes = part.stat().st_size if part.exists() else 0
            if isinstance(fault, UnfitPartError):
                landing.start_anew(wanted.extension, {})
            attempts.failed(fault, reached_bytes=size_bytes)


def extension_of(url: str) -> str:
    """Return the ending of the file's name in an address if it is a video's, else mp4."""
    ending = PurePosixPath(unquote(urlsplit(url).path)).suffix.lstrip(".").lower()
    return ending if ending in VIDEO_EXTENSIONS else "mp4"


def _attempt(
    wanted: Wanted,
    landing: Landing,
    attempts: Attempts,
    pace: Pace,
    timeout_s: float,
    tell: StepProgress,
) -> dict[str, Any]:
    """Ask for what is missing and write it; return what the server said of the file."""
    part, receipt = landing.part(wanted.extension), landing.receipt(wanted.extension) or {}
    same = part.exists() and all(receipt.get(key) == it for key, it in wanted.identity.items())
    have_bytes = part.stat().st_size if same else 0
    if have_bytes and have_bytes == receipt.get("size_bytes"):
        return receipt  # all of it came before, and only the check was missing
    validator = receipt.get("validator")
    if not validator and not wanted.named_by_content:
        have_bytes = 0
    headers = {"Range": f"bytes={have_bytes}-"} if have_bytes else {}
    if have_bytes and validator:
        headers["If-Range"] = str(validator)
    with open_address(wanted.url, timeout_s=timeout_s, headers=headers) as response:
        attempts.answered = True
        refuse_page(wanted.url, response.headers)
        answer = _require_size(wanted, _place(response, have_bytes, receipt))
        body = Body(response, timeout_s=timeout_s)
        head = b""
        if answer.offset == 0:
            head = _read_head(wanted.url, body, answer.total_bytes)  # before a part goes for it
            receipt = _said(wanted.url, response.headers, answer.total_bytes) | wanted.identity
            landing.start_anew(wanted.extension, receipt)
        with room_on_disk(part, answer.missing_bytes):
            _write(head, body, part, answer, pace=pace, tell=tell)
    return receipt


def _ask_by_get(url: str, settings: FetchSettings) -> dict[str, Any]:
    attempts = Attempts(url, settings, told=lambda: None)
    while True:
        try:
            with open_address(url, timeout_s=settings.timeout_s) as response:
                attempts.answered = True
                refuse_page(url, response.headers)
                size_bytes = _length(response.headers)
                _read_head(url, Body(response, timeout_s=settings.timeout_s), size_bytes)
                return _said(url, response.headers, size_bytes)
        except LostError as fault:
            attempts.failed(fault)


def _place(response: Any, have_bytes: int, receipt: dict[str, Any]) -> _Answer:
    """Where the bytes of a response belong; UnfitPartError where they do not continue the part."""
    if response.status != 206:  # the whole file: it changed, or the server knows no ranges
        return _Answer(offset=0, total_bytes=_length(response.headers))
    unit, _, span = (response.headers.get("Content-Range") or "").partition(" ")
    first, _, rest = span.partition("-")
    total = rest.rpartition("/")[2]
    known_bytes = receipt.get("size_bytes")
    same = unit == "bytes" and first == str(have_bytes)
    same = same and (known_bytes is None or total in ("*", str(known_bytes)))
    etag = response.headers.get("ETag")
    if not same or (etag and receipt.get("etag") and etag != receipt["etag"]):
        raise UnfitPartError
    return _Answer(offset=have_bytes, total_bytes=int(total) if total.isdecimal() else known_bytes)


def _require_size(wanted: Wanted, answer: _Answer) -> _Answer:
    """The server has to have the size that is stated of the file elsewhere."""
    total_bytes = wanted.size_bytes if answer.total_bytes is None else answer.total_bytes
    if wanted.size_bytes not in (None, total_bytes):
        raise RefusedError(
            f"{wanted.url}: the server has {total_bytes} bytes, stated are {wanted.size_bytes}",
            remedy="try again later, or choose another source with --source",
        )
    return replace(answer, total_bytes=total_bytes)


def _length(headers: Message) -> int | None:
    length = (headers.get("Content-Length") or "").strip()
    packed = headers.get("Content-Encoding", "identity").lower() != "identity"
    return int(length) if length.isdecimal() and not packed else None


def _said(url: str, headers: Message, total_bytes: int | None) -> dict[str, Any]:
    etag, changed = headers.get("ETag"), headers.get("Last-Modified")
    strong = etag if etag and not etag.startswith("W/") else None
    return {
        "url": url,
        "validator": strong or changed,
        "etag": etag,
        "last_modified": changed,
        "size_bytes": total_bytes,
    }


def _write(
    head: bytes, body: Body, part: Path, answer: _Answer, *, pace: Pace, tell: StepProgress
) -> None:
    """Write the first bytes, if any, and all that follow to where they belong."""
    done_bytes, total_bytes = answer.offset, answer.total_bytes
    with part.open("ab" if done_bytes else "wb") as file:
        tell(done_bytes, total_bytes)
        while piece := head or body.read(pace.chunk_bytes):
            head = b""
            if total_bytes is not None and done_bytes + len(piece) > total_bytes:
                raise UnfitPartError  # before an endless answer fills the disk
            file.write(piece)
            done_bytes += len(piece)
            pace.took(len(piece))
            tell(done_bytes, total_bytes)
    if total_bytes is not None and done_bytes != total_bytes:
        raise LostError(f"the server stopped after {done_bytes} of {total_bytes} bytes")


def _read_head(url: str, body: Body, total_bytes: int | None) -> bytes:
    """Return the first kilobyte of a file, which must not look like something else than a video."""
    head = b""
    while len(head) < _HEAD_BYTES and (piece := body.read(_HEAD_BYTES - len(head))):
        head += piece
    if not head and not total_bytes:
        raise no_video(url, "an empty file")
    whole = len(head) == _HEAD_BYTES or total_bytes in (None, len(head))
    if whole and (kind := describe_head(head)):  # of a few bytes nothing can be said
        raise no_video(url, kind)
    return head
