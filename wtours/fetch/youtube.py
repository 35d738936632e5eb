"""Videos from YouTube, through yt-dlp's Python interface: the picture track alone, never merged.

The format is chosen by rule, not by yt-dlp's preferences, so that all videos of a data set come
alike.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wtours.fetch.landing import Arrival, DiskFullError, Landing, disk_full, room_on_disk
from wtours.fetch.settings import FetchSettings, StepProgress
from wtours.fetch.youtube_faults import explain_fault
from wtours.manifest import Source

_CODECS = ("vp9", "av1", "h264")
"""In order of preference: YouTube has VP9 for every video above 1080 lines, AV1 only for some."""
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
    "protocol",
)


def bring_youtube(
    source: Source, landing: Landing, *, settings: FetchSettings, progress: StepProgress
) -> Arrival:
    """Fetch the picture track of `source.id` to its partial name, going on where a part ends.

    Raises:
        WtoursError: YouTube refuses, or has no fitting format; the remedy fits the refusal.
        DiskFullError: there is no room.
    """
    heard: list[str] = []
    with downloader(settings, heard) as ydl:
        info = look_up(ydl, source.origin, heard)
        chosen = choose_format(info, max_height=settings.resolution)
        if chosen is None:
            raise explain_fault(source.origin, "Requested format is not available", heard)
        extension = str(chosen["ext"])
        part = landing.part(extension)
        have_bytes = landing.continue_part(extension, _identity(info, chosen))
        size_bytes = chosen.get("filesize")
        if size_bytes is None or have_bytes < size_bytes:
            needed_bytes = None if size_bytes is None else size_bytes - have_bytes
            with room_on_disk(part, needed_bytes):
                try:
                    _download(ydl, source.origin, info | chosen, part, heard, progress=progress)
                except DiskFullError as error:  # yt-dlp does not say how much is missing
                    missing = None if size_bytes is None else size_bytes - part.stat().st_size
                    raise disk_full(part, missing) from error
    return Arrival(part=part, extension=extension, said=what_was_said(info, chosen))


def look_up(ydl: Any, url: str, heard: list[str]) -> dict[str, Any]:
    """Return yt-dlp's info dictionary of a video, with all its formats."""
    from yt_dlp.utils import YoutubeDLError

    try:
        info = ydl.extract_info(url, download=False)
    except YoutubeDLError as error:
        raise explain_fault(url, str(error), heard) from error
    if not isinstance(info, dict) or not info.get("formats"):
        raise explain_fault(url, "Video unavailable", heard)
    return info


def choose_format(info: dict[str, Any], *, max_height: int) -> dict[str, Any] | None:
    """Return the format to fetch, or None where none fits.

    Only formats with picture and without sound that are files of their own are considered, at most
    `max_height` lines high (the shorter side, so that portrait counts alike). Of these, the first
    by: most lines; highest frame rate; standard before high dynamic range; VP9, AV1, H.264; bit
    rate.
    """
    fitting = [
        entry
        for entry in info["formats"]
        if entry.get("vcodec") not in (None, "none")
        and entry.get("acodec") in (None, "none")
        and entry.get("protocol") in ("https", "http")
        and not entry.get("has_drm")
        and 0 < _lines(entry) <= max_height
        and codec_of(entry) is not None
    ]
    return max(fitting, key=_preference, default=None)


def _preference(entry: dict[str, Any]) -> tuple[float, ...]:
    return (
        _lines(entry),
        entry.get("fps") or 0,
        entry.get("dynamic_range") in (None, "SDR"),
        -_CODECS.index(str(codec_of(entry))),
        entry.get("tbr") or entry.get("vbr") or 0,
    )


def _lines(entry: dict[str, Any]) -> int:
    return min(entry.get("width") or 0, entry.get("height") or 0)


def codec_of(entry: dict[str, Any]) -> str | None:
    """Return "vp9", "av1" or "h264" for a format, or None for a codec that is not fetched."""
    name = str(entry.get("vcodec")).lower()
    if name.startswith(("vp9", "vp09")):
        return "vp9"
    if name.startswith("av01"):
        return "av1"
    return "h264" if name.startswith(("avc", "h264")) else None


def what_was_said(info: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return what YouTube says of the video and of the chosen format; absent keys are left out."""
    said = {key: info[key] for key in _SAID_OF_VIDEO if info.get(key) is not None}
    return said | {
        "format": {key: chosen[key] for key in _SAID_OF_FORMAT if chosen.get(key) is not None}
    }


def _identity(info: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """What a part is a part of; `lmt` in the address is when YouTube last made the file anew."""
    made = parse_qs(urlsplit(str(chosen.get("url", ""))).query).get("lmt", [None])[0]
    return {
        "id": info.get("id"),
        "format_id": chosen.get("format_id"),
        "size_bytes": chosen.get("filesize"),
        "made": made,
    }


class _Listener:
    """Keeps what yt-dlp would print: its warnings explain faults that come later."""

    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    def debug(self, message: str) -> None:
        """Ignore: progress is told by its hook."""

    def warning(self, message: str) -> None:
        self._heard.append(message)

    def error(self, message: str) -> None:
        self._heard.append(message)


def downloader(settings: FetchSettings, heard: list[str]) -> Any:
    """Return a yt_dlp.YoutubeDL that prints nothing; what it warns of is added to `heard`."""
    from yt_dlp import YoutubeDL

    return YoutubeDL(
        {
            "logger": _Listener(heard),
            "noprogress": True,
            "noplaylist": True,
            "format": "bestvideo/best",  # any: the choice is made by choose_format
            "nopart": True,  # the name that it is given is a partial one already
            "overwrites": True,
            "continuedl": True,
            "updatetime": False,
            "retries": settings.retries,
            "retry_sleep_functions": {"http": lambda n: settings.wait_s(n + 1)},
            "socket_timeout": settings.timeout_s,
        }
    )


def _download(
    ydl: Any,
    url: str,
    info: dict[str, Any],
    part: Path,
    heard: list[str],
    *,
    progress: StepProgress,
) -> None:
    from yt_dlp.downloader.http import HttpFD
    from yt_dlp.networking.exceptions import network_exceptions
    from yt_dlp.utils import YoutubeDLError

    def told(status: dict[str, Any]) -> None:
        if status.get("downloaded_bytes") is not None:
            progress(int(status["downloaded_bytes"]), status.get("total_bytes"))

    transfer = HttpFD(ydl, ydl.params)
    transfer.undo_temp_name = lambda name: name  # else it would drop ".part" before the check
    transfer.add_progress_hook(told)
    try:
        succeeded, _ = transfer.download(str(part), info)
    except (YoutubeDLError, *network_exceptions) as error:
        raise explain_fault(url, str(error), heard) from error
    if not succeeded:
        raise explain_fault(url, heard[-1] if heard else "the download ended early", heard)
