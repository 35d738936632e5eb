"""Videos from a plain web server: resumed where the server can, and never joined from two files.

A part is continued with `Range` and `If-Range` (RFC 9110, 13.1.5 and 14.2) and only if the server
gave a validator for it: a strong ETag, or a date of last change. Otherwise it starts anew.
"""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from wtours.containers import VIDEO_EXTENSIONS, describe_head
from wtours.errors import WtoursError
from wtours.fetch.landing import Arrival, Landing, room_on_disk
from wtours.fetch.settings import FetchSettings, StepProgress
from wtours.manifest import Source

_CHUNK_BYTES = 1 << 16
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
_LOST = (http.client.HTTPException, URLError, TimeoutError, ConnectionError)
"""What a connection that breaks, or is never made, raises."""


class _InterruptedError(Exception):
    """A connection ended early; another attempt may help."""

    def __init__(self, fault: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(fault)
        self.retry_after_s = retry_after_s


class _UnfitPartError(_InterruptedError):
    """The server's file is not the one that the part is of; only a new beginning helps."""

    def __init__(self) -> None:
        super().__init__("the file on the server is not the one that was begun")


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What matters of a response: where its bytes go, and how many there are in all."""

    offset: int
    total_bytes: int | None


def bring_http(
    source: Source, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> Arrival:
    """Fetch the file at `source.url` to its partial name, in as many attempts as it takes.

    Raises:
        WtoursError: the server refuses, sends a web page, or sends less than it announces; or the
            connection fails too often in a row. What was fetched stays, to be continued.
        DiskFullError: there is no room.
    """
    url, extension = str(source.url), _extension(str(source.url))
    reached_bytes, failures, faults = 0, 0, dict[str, None]()
    while True:
        try:
            said = _attempt(url, landing, extension, settings=settings, progress=progress)
            return Arrival(part=landing.part(extension), extension=extension, said=said)
        except _InterruptedError as fault:
            part = landing.part(extension)
            size_bytes = part.stat().st_size if part.exists() else 0
            failures = 1 if size_bytes > reached_bytes else failures + 1
            faults[str(fault)] = None
            if isinstance(fault, _UnfitPartError):
                landing.start_anew(extension, {})
            reached_bytes = max(reached_bytes, size_bytes)
            if failures > settings.retries:
                raise WtoursError(
                    f"{url}: {'; '.join(faults)}; {size_bytes} bytes are there",
                    remedy="run the same command again later: it goes on from there",
                ) from fault
            time.sleep(max(settings.wait_s(failures), min(fault.retry_after_s, 600.0)))


def _extension(url: str) -> str:
    """The ending of the file's name in the address if it is a video's, else mp4."""
    ending = PurePosixPath(unquote(urlsplit(url).path)).suffix.lstrip(".").lower()
    return ending if ending in VIDEO_EXTENSIONS else "mp4"


def _attempt(
    url: str, landing: Landing, extension: str, *, settings: FetchSettings, progress: StepProgress
) -> dict[str, Any]:
    """Ask for what is missing and write it; return what the server said of the file."""
    receipt = landing.receipt(extension) or {}
    part = landing.part(extension)
    have_bytes = part.stat().st_size if part.exists() and receipt.get("url") == url else 0
    if have_bytes and have_bytes == receipt.get("size_bytes"):
        return receipt  # all of it came before, and only the check was missing
    validator = receipt.get("validator")
    if not validator or (receipt.get("size_bytes") or have_bytes) < have_bytes:
        have_bytes = 0
    headers = {"User-Agent": "wtours", "Accept-Encoding": "identity"}
    if have_bytes:
        headers |= {"Range": f"bytes={have_bytes}-", "If-Range": str(validator)}
    with _open(Request(url, headers=headers), settings.timeout_s) as response:
        _refuse_page(url, response.headers)
        answer = _place(response, have_bytes, receipt)
        if answer.offset == 0:
            receipt = _receipt(url, response.headers, answer.total_bytes)
            landing.start_anew(extension, receipt)
        _write(url, response, part, answer, progress=progress)
    return receipt


def _open(request: Request, timeout_s: float) -> Any:
    """Open an address; redirects may lead to http and https only."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPRedirectHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        return opener.open(request, timeout=timeout_s)
    except HTTPError as error:
        with error:
            raise _refused(request.full_url, error) from error
    except _LOST as error:
        if _is_final(error):
            raise WtoursError(
                f"{request.full_url}: {_reason(error)}",
                remedy="check the address in the manifest, this machine's connection and its clock",
            ) from error
        raise _InterruptedError(_reason(error)) from error


def _is_final(error: BaseException) -> bool:
    """Whether asking again cannot help: no such server, or one that cannot prove who it is."""
    reason = getattr(error, "reason", None)
    unknown = isinstance(reason, socket.gaierror) and reason.errno != socket.EAI_AGAIN
    return unknown or isinstance(reason, ssl.SSLCertVerificationError)


def _refused(url: str, error: HTTPError) -> Exception:
    if error.code == 416:  # the part is longer than the file
        return _UnfitPartError()
    if error.code in _WORTH_ANOTHER_TRY:
        seconds = error.headers.get("Retry-After", "")
        wait_s = float(seconds) if seconds.isdigit() else 0.0
        return _InterruptedError(
            f"the server answers {error.code} {error.reason}", retry_after_s=wait_s
        )
    return WtoursError(
        f"{url}: the server answers {error.code} {error.reason}",
        remedy="open the address in a browser, and correct it in the manifest",
    )


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return f"the connection failed ({getattr(reason, 'strerror', None) or reason})"


def _refuse_page(url: str, headers: Message) -> None:
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    if kind.startswith("text/") or kind in ("application/json", "application/xhtml+xml"):
        raise _no_video(url, f"a page ({kind})")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise _no_video(url, f"something packed ({headers['Content-Encoding']})")


def _no_video(url: str, kind: str) -> WtoursError:
    return WtoursError(
        f"{url}: the server sends {kind} instead of a video",
        remedy="give the address of the file itself in the manifest, not of a page that shows it",
    )


def _place(response: Any, have_bytes: int, receipt: dict[str, Any]) -> _Answer:
    """Where the bytes of a response belong; _UnfitPartError where they do not continue the part."""
    length = response.headers.get("Content-Length")
    if response.status != 206:  # the whole file: it changed, or the server knows no ranges
        return _Answer(offset=0, total_bytes=int(length) if length else None)
    unit, _, span = (response.headers.get("Content-Range") or "").partition(" ")
    first, _, rest = span.partition("-")
    total = rest.rpartition("/")[2]
    known_bytes = receipt.get("size_bytes")
    same = unit == "bytes" and first == str(have_bytes)
    same = same and (known_bytes is None or total in ("*", str(known_bytes)))
    etag = response.headers.get("ETag")
    if not same or (etag and receipt.get("etag") and etag != receipt["etag"]):
        raise _UnfitPartError
    return _Answer(offset=have_bytes, total_bytes=int(total) if total.isdigit() else known_bytes)


def _receipt(url: str, headers: Message, total_bytes: int | None) -> dict[str, Any]:
    etag, changed = headers.get("ETag"), headers.get("Last-Modified")
    strong = etag if etag and not etag.startswith("W/") else None
    return {
        "url": url,
        "validator": strong or changed,
        "etag": etag,
        "last_modified": changed,
        "size_bytes": total_bytes,
    }


def _write(url: str, response: Any, part: Path, answer: _Answer, *, progress: StepProgress) -> None:
    done_bytes, total_bytes = answer.offset, answer.total_bytes
    needed_bytes = None if total_bytes is None else total_bytes - done_bytes
    with room_on_disk(part, needed_bytes), part.open("ab" if done_bytes else "wb") as file:
        progress(done_bytes, total_bytes)
        while chunk := _read(response):
            if done_bytes == 0 and (kind := describe_head(chunk[:1024])):
                raise _no_video(url, kind)
            file.write(chunk)
            done_bytes += len(chunk)
            progress(done_bytes, total_bytes)
    if total_bytes is not None and done_bytes != total_bytes:
        raise _InterruptedError(f"the server stopped after {done_bytes} of {total_bytes} bytes")


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read(_CHUNK_BYTES))
    except _LOST as error:
        raise _InterruptedError(_reason(error)) from error
