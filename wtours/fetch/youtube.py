"""Videos from YouTube, through yt-dlp's Python interface: the picture track alone, never merged.

Which format is taken is a rule of `formats`, not one of yt-dlp's preferences, so that all videos of
a data set come alike.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wtours.errors import WtoursError
from wtours.fetch.formats import choose_format, describe_choice, prefer_codec, what_is_lacking
from wtours.fetch.landing import Arrival, Landing, room_on_disk
from wtours.fetch.offer import Offer
from wtours.fetch.pace import rest
from wtours.fetch.settings import Codec, FetchSettings, StepProgress
from wtours.fetch.youtube_faults import explain_fault, format_missing
from wtours.fetch.youtube_session import downloader, look_up
from wtours.fetch.youtube_transfer import Part, SetbackError, transfer
from wtours.manifest import Source

_SAID_OF_VIDEO = (
    "id",
    "title",
    "channel",
    "channel_id",
    "channel_url",
    "uploader",
    "upload_date",
    "license",
    "duration",
    "availability",
    "live_status",
    "webpage_url",
)
_SAID_OF_FORMAT = (
    "format_id",
    "ext",
    "width",
    "height",
    "fps",
    "vcodec",
    "dynamic_range",
    "tbr",
    "filesize",
    "filesize_approx",
    "protocol",
)


_LONGEST_PAUSE_S = 600.0
"""A server that asks for a longer one is told of instead of being waited for."""
_FRESH_S = 60
"""An address that YouTube ends within this time is asked for anew."""


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """The format of an offer, with all that yt-dlp needs to bring it."""

    info: dict[str, Any]
    entry: dict[str, Any]
    rule: str


def ask_youtube(source: Source, settings: FetchSettings) -> dict[str, Any]:
    """Return yt-dlp's info dictionary of a video, with all its formats; nothing is downloaded.

    One key is ours: "warnings", what yt-dlp warned of meanwhile, which tells why formats lack.

    Raises:
        WtoursError: YouTube refuses, cannot be reached, or the cookies are of no use; the remedy
            fits the refusal.
    """
    heard: list[str] = []
    with downloader(settings, heard) as ydl:
        return look_up(ydl, source.origin, heard) | {"warnings": heard}


def offer_youtube(
    source: Source,
    info: dict[str, Any],
    settings: FetchSettings,
    *,
    settled: Codec | None = None,
) -> Offer:
    """Choose the format and say what it is; pure, so that many answers can be weighed first.

    Args:
        source: where the video is.
        info: what `ask_youtube` returned.
        settings: resolution, fps and codec count. A codec other than "auto" is a condition.
        settled: with "auto", the codec that `settle_codec` gave for all videos of the run; a video
            that lacks it for its best picture comes in another one, and the offer says so.

    Raises:
        WtoursError: no format fits; it names what there is.
    """
    limits: dict[str, Any] = {"resolution": settings.resolution, "fps": settings.fps}
    wanted = settled if settings.codec == "auto" else settings.codec
    entry = choose_format(info, **limits, codec=settings.codec)
    if entry is None:
        raise format_missing(source.origin, info, settings)
    if settings.codec == "auto" and settled is not None:
        entry = prefer_codec(info, entry, settled, **limits)
    rule = describe_choice(
        entry, **limits, codec=wanted or "auto", settled=settings.codec == "auto"
    )
    size_bytes = entry.get("filesize") or entry.get("filesize_approx")
    notes = what_is_lacking(info, entry, **limits, wanted=wanted)
    if size_bytes is not None and not entry.get("filesize"):
        notes += ("its size is an estimate from its bit rate",)
    return Offer(
        source=source,
        said=what_was_said(info, entry, rule),
        size_bytes=None if size_bytes is None else int(size_bytes),
        extension=str(entry["ext"]),
        licence=info.get("license"),
        shows_licence=True,
        part_of=_identity(info, entry),
        notes=notes,
        handle=_Choice(info=info, entry=entry, rule=rule),
    )


def bring_youtube(
    offer: Offer, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> Arrival:
    """Fetch the picture track of an offer to its partial name, going on where a part ends.

    An address that YouTube has ended meanwhile is asked for again, and so is one that is refused.

    Args:
        offer: what `offer_youtube` returned.
        landing: where the file goes.
        settings: attempts, waits, rate limit and cookies.
        progress: told of bytes, also while waiting; what it raises ends the transfer at once.

    Raises:
        WtoursError: YouTube refuses, or too many attempts in a row brought nothing new.
        DiskFullError: there is no room.
    """
    choice: _Choice = offer.handle
    heard: list[str] = []
    patience = _Patience(settings)
    stale = _is_ended(choice.entry)
    with downloader(settings, heard) as ydl:
        while True:
            if stale:
                choice = _ask_again(ydl, offer.source, choice, heard)
            part = _part(landing, choice)
            try:
                _bring_rest(ydl, choice, part, offer.source.origin, heard, progress=progress)
            except SetbackError as setback:
                have_bytes = part.have_bytes()
                if setback.unfit:
                    part.start_anew({})
                if not patience.bears(setback, have_bytes):
                    raise _given_up(offer.source.origin, setback, heard, have_bytes) from setback
                wait_s = max(patience.wait_s(), setback.retry_after_s)
                rest(wait_s, partial(progress, have_bytes, part.total_bytes()))
                stale = setback.stale
                continue
            said = what_was_said(choice.info, choice.entry, choice.rule)
            return Arrival(part=part.path, extension=part.extension, said=said)


class _Patience:
    """Counts attempts in a row that brought nothing new, and how often a file was begun anew."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._failures = self._renewals = self._reached_bytes = 0

    def bears(self, setback: SetbackError, have_bytes: int) -> bool:
        """Whether to go on after a setback."""
        if setback.unfit:
            self._failures = self._reached_bytes = 0
            self._renewals += 1
        else:
            self._failures = 1 if have_bytes > self._reached_bytes else self._failures + 1
            self._reached_bytes = max(self._reached_bytes, have_bytes)
        attempts = max(self._failures, self._renewals)
        return attempts <= self._settings.retries and setback.retry_after_s <= _LONGEST_PAUSE_S

    def wait_s(self) -> float:
        """Seconds before the next attempt."""
        return self._settings.wait_s(max(self._failures, self._renewals))


def what_was_said(info: dict[str, Any], chosen: dict[str, Any], rule: str) -> dict[str, Any]:
    """Return what YouTube says of the video and of the chosen format; absent keys are left out."""
    said = {key: info[key] for key in _SAID_OF_VIDEO if info.get(key) is not None}
    taken = {key: chosen[key] for key in _SAID_OF_FORMAT if chosen.get(key) is not None}
    return said | {"format": taken, "choice": rule}


def _bring_rest(
    ydl: Any,
    choice: _Choice,
    part: Part,
    url: str,
    heard: list[str],
    *,
    progress: StepProgress,
) -> None:
    """Make one attempt to bring what is missing."""
    from yt_dlp.utils import YoutubeDLError

    if part.is_whole():
        return  # all of it came before, and only the check was missing
    total_bytes = part.total_bytes()
    needed_bytes = None if total_bytes is None else max(0, total_bytes - part.have_bytes())
    with room_on_disk(part.path, needed_bytes):
        try:
            transfer(ydl, choice.info | choice.entry, part, progress=progress)
        except YoutubeDLError as error:
            raise explain_fault(url, str(error), heard) from error


def _part(landing: Landing, choice: _Choice) -> Part:
    identity = _identity(choice.info, choice.entry)
    return Part(landing=landing, extension=str(choice.entry["ext"]), identity=identity)


def _identity(info: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """What a part is a part of."""
    return {
        "id": info.get("id"),
        "format_id": entry.get("format_id"),
        "announced_bytes": entry.get("filesize"),
        "made": _query(entry, "lmt"),  # when YouTube last made the file anew
    }


def _ask_again(ydl: Any, source: Source, choice: _Choice, heard: list[str]) -> _Choice:
    """The same format with a new address."""
    info = look_up(ydl, source.origin, heard)
    for entry in info["formats"]:
        if entry.get("format_id") == choice.entry.get("format_id"):
            return _Choice(info=info, entry=entry, rule=choice.rule)
    raise WtoursError(
        f"{source.origin}: YouTube no longer has the format {choice.entry.get('format_id')} that "
        "it offered before",
        remedy="run the same command again: the choice is then made of what there is",
    )


def _is_ended(entry: dict[str, Any]) -> bool:
    """Whether the address was given for a time that is over, or nearly."""
    end = _query(entry, "expire") or ""
    return end.isdigit() and int(end) < time.time() + _FRESH_S


def _query(entry: dict[str, Any], key: str) -> str | None:
    values = parse_qs(urlsplit(str(entry.get("url", ""))).query).get(key)
    return values[0] if values else None


def _given_up(url: str, setback: SetbackError, heard: list[str], have_bytes: int) -> WtoursError:
    fault = explain_fault(url, str(setback), heard)
    return type(fault)(f"{fault.message}; {have_bytes} bytes are there", remedy=fault.remedy)
