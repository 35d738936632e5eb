"""Videos from an article of figshare, found through its public interface (API, version 2).

The interface names the files of an article, their addresses, sizes and MD5; no address is guessed.
Its description: https://docs.figshare.com.
"""

import json
import re
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from wtours.containers import VIDEO_EXTENSIONS
from wtours.errors import WtoursError
from wtours.fetch.connection import (
    Body,
    LostError,
    MissingError,
    RefusedError,
    open_address,
)
from wtours.fetch.http import Wanted, download
from wtours.fetch.landing import Arrival, Landing, UnreachableError
from wtours.fetch.offer import Offer
from wtours.fetch.pace import Attempts, rest
from wtours.fetch.settings import FetchSettings, StepProgress
from wtours.manifest import Source

API = "https://api.figshare.com/v2"
"""Where the public interface is."""
_PAGE_FILES = 100
"""Files asked for at once; the article's own answer lists only the first few."""
_MOST_ANSWER_BYTES = 10**8
_LEFT = (
    "fetch from another network or another source (--source), or save the file with a browser "
    'and list it as a source of kind "file"'
)


@dataclass(frozen=True, kw_only=True)
class _File:
    """What the interface says of a file of an article."""

    id: int
    name: str
    size_bytes: int
    url: str
    md5: str | None
    """As figshare computed it, else as it was supplied; None where neither is there."""
    elsewhere: bool
    """Whether figshare only links to it."""

    @property
    def ending(self) -> str:
        return PurePosixPath(self.name).suffix.lstrip(".").lower()


@dataclass(frozen=True, kw_only=True)
class _Handle:
    """What `bring_figshare` needs of an offer."""

    addresses: tuple[str, ...]
    identity: dict[str, Any]


def ask_figshare(source: Source, video_name: str, settings: FetchSettings) -> Offer:
    """Ask figshare for an article and for the one file of it that is meant.

    Args:
        source: of kind figshare: its article, and the file's name if that is not the video's.
        video_name: the video's name in the manifest.
        settings: attempts, time limit, pause between requests.

    Raises:
        WtoursError: there is no such article; it has no file of that name, or several; figshare
            only links to the file, or answers something that is not understood.
        UnreachableError: figshare cannot be reached from here, or wants to see a browser.
    """
    where = f"figshare article {source.article}"
    article = _table(_ask(f"/articles/{source.article}", where, settings), where)
    files = _ask_files(int(source.article or 0), where, settings)
    file = _choose(files, source.file or video_name, _described(where, article))
    if file.elsewhere:
        raise WtoursError(
            f"{where}: {file.name} is not kept by figshare, which only links to {file.url}",
            remedy='list that address as a source of kind "http", if it is a video',
        )
    if file.size_bytes < 1:
        raise WtoursError(
            f"{where}: {file.name} is empty", remedy="choose another source (--source)"
        )
    licence = article.get("license")
    licence = licence if isinstance(licence, dict) else {}
    identity = {
        "article": source.article,
        "file_id": file.id,
        "size_bytes": file.size_bytes,
        "md5": file.md5,
    }
    return Offer(
        source=source,
        said=_said(article, file, licence),
        size_bytes=file.size_bytes,
        extension=file.ending,
        licence=_text(licence.get("name")),
        shows_licence=True,
        part_of=identity,
        handle=_Handle(
            addresses=(file.url, f"{API}/file/download/{file.id}"),
            identity=identity,
        ),
    )


def bring_figshare(
    offer: Offer, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> Arrival:
    """Fetch the offered file to its partial name, going on where a part of the same file ends.

    The address that figshare gives comes first. It often wants to see a browser; then the
    interface's own way to a file, /file/download/ID, is tried.

    Raises:
        WtoursError, DiskFullError: as for `wtours.fetch.http.bring_http`; or the server's file has
            another size than figshare states.
    """
    handle: _Handle = offer.handle
    extension = str(offer.extension)
    refusals: list[WtoursError] = []
    for url in handle.addresses:
        wanted = Wanted(
            url=url,
            extension=extension,
            identity=handle.identity,
            size_bytes=offer.size_bytes,
            named_by_content=handle.identity["md5"] is not None,
        )
        try:
            download(wanted, landing, settings=settings, progress=progress)
        except RefusedError as refusal:
            refusals.append(refusal)
            continue
        return Arrival(part=landing.part(extension), extension=extension, said=dict(offer.said))
    raise WtoursError("; ".join(refusal.message for refusal in refusals), remedy=_LEFT)


def _ask(path: str, where: str, settings: FetchSettings) -> Any:
    """Return the interface's answer to one question, as JSON's types."""
    attempts = Attempts(where, settings, told=lambda: None)
    try:
        while True:
            try:
                answer = _ask_once(path, where, settings.timeout_s)
            except LostError as fault:
                attempts.failed(fault)
            else:
                return answer
    except MissingError as error:
        raise WtoursError(
            f"{where}: there is no public article of that number",
            remedy="check the number in the manifest: it is the last one in the article's address",
        ) from error
    except RefusedError as error:
        reason = error.message.removeprefix(f"{where}: ")
        raise UnreachableError(f"{where}: {reason}", remedy=_LEFT) from error


def _ask_once(path: str, where: str, timeout_s: float) -> Any:
    headers = {"Accept": "application/json"}
    with open_address(API + path, timeout_s=timeout_s, headers=headers) as response:
        kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        length = response.headers.get("Content-Length", "")
        body, answer = Body(response, timeout_s=timeout_s), b""
        while (piece := body.read(1 << 16)) and len(answer) <= _MOST_ANSWER_BYTES:
            answer += piece
    if length.isdecimal() and len(answer) != int(length):
        raise LostError("the answer ended early")
    if kind == "text/html":
        raise RefusedError(
            f"{where}: {API} answers with a page instead of data: it wants to see a browser, or "
            "the network here wants a sign-in first",
            remedy=_LEFT,
        )
    try:
        return json.loads(answer)
    except ValueError as error:
        raise _changed(where, f"no JSON ({error})") from error


def _ask_files(article: int, where: str, settings: FetchSettings) -> list[_File]:
    """Return all files of an article, asked for page by page."""
    files: dict[int, _File] = {}
    for page in count(1):
        rest(settings.sleep_s, lambda: None)
        answer = _ask(
            f"/articles/{article}/files?page={page}&page_size={_PAGE_FILES}", where, settings
        )
        if not isinstance(answer, list):
            raise _changed(where, "no list of files")
        found = {file.id: file for file in (_read_file(entry, where) for entry in answer)}
        if found.keys() & files.keys():  # a server that overlooks `page` would never end
            raise _changed(where, "the same files on two pages")
        files |= found
        if len(answer) < _PAGE_FILES:
            break
    return list(files.values())


def _read_file(answer: Any, where: str) -> _File:
    entry = _table(answer, where)
    for key, kind in (("id", int), ("name", str), ("size", int), ("download_url", str)):
        if not isinstance(entry.get(key), kind):
            raise _changed(where, f"a file without a usable {key!r}")
    if not entry["download_url"].startswith(("https://", "http://")):
        raise _changed(where, f"a file at {entry['download_url']!r}")
    md5 = _text(entry.get("computed_md5")) or _text(entry.get("supplied_md5"))
    return _File(
        id=entry["id"],
        name=entry["name"],
        size_bytes=entry["size"],
        url=entry["download_url"],
        md5=md5.lower() if md5 else None,
        elsewhere=bool(entry.get("is_link_only")),
    )


def _choose(files: list[_File], wanted: str, where: str) -> _File:
    """Return the one file that is called as wanted, whatever its letters' case and punctuation."""
    videos = [file for file in files if file.ending in VIDEO_EXTENSIONS or file.elsewhere]
    found = [file for file in videos if file.name == wanted] or [
        file
        for file in videos
        if _bare(wanted) in (_bare(file.name), _bare(PurePosixPath(file.name).stem))
    ]
    if len(found) == 1:
        return found[0]
    if not files:
        raise WtoursError(
            f"{where} has no files", remedy="check its number, or choose another source (--source)"
        )
    what = f"{len(found)} videos" if found else "no video"
    names = ", ".join(repr(file.name) for file in files)
    raise WtoursError(
        f"{where} has {what} called {wanted!r}; there are {names}",
        remedy='name the right one in the manifest: file = "..." beside the article',
    )


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _said(article: dict[str, Any], file: _File, licence: dict[str, Any]) -> dict[str, Any]:
    """Return what goes into the record; what figshare does not say is left out."""
    authors = article.get("authors")
    names = [_text(author.get("full_name")) for author in authors or [] if isinstance(author, dict)]
    said = {
        "title": _text(article.get("title")),
        "channel": ", ".join(name for name in names if name) or None,
        "doi": _text(article.get("doi")),
        "upload_date": _date(article.get("published_date")),
        "article_url": _text(article.get("url_public_html")),
        "license": _text(licence.get("name")),
        "license_url": _text(licence.get("url")),
        "file": file.name,
        "file_id": file.id,
        "size_bytes": file.size_bytes,
        "md5": file.md5,
    }
    return {key: value for key, value in said.items() if value is not None}


def _described(where: str, article: dict[str, Any]) -> str:
    """Return the article with what may keep its files from being there."""
    if article.get("is_embargoed"):
        return f"{where} (under embargo until {article.get('embargo_date') or 'nobody says when'})"
    return where


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _changed(where, "no table")
    return value


def _date(value: Any) -> str | None:
    """Return YYYYMMDD, as YouTube's dates are recorded, of 2024-02-09T12:00:00Z."""
    numbers = re.match(r"(\d{4})-(\d\d)-(\d\d)", _text(value) or "")
    return "".join(numbers.groups()) if numbers else None


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _changed(where: str, fault: str) -> WtoursError:
    return WtoursError(
        f"{where}: figshare's answer is not understood: {fault}",
        remedy="look for a newer wtours, or choose another source with --source",
    )
