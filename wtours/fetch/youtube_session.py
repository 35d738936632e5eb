"""yt-dlp as it is used here: its options, what it says meanwhile, and looking a video up."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from wtours.fetch.cookies import cookie_options
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube_faults import explain_fault, waiting_helps


@contextmanager
def downloader(settings: FetchSettings, heard: list[str]) -> Iterator[Any]:
    """Give a yt_dlp.YoutubeDL that prints nothing; what it warns of is added to `heard`.

    Raises:
        WtoursError: the cookies that were asked for cannot be had.
    """
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    ydl = YoutubeDL(_options(settings, heard))
    try:
        ydl.cookiejar  # noqa: B018  # loaded now, so that its faults are not taken for YouTube's
    except YoutubeDLError as error:
        browser = settings.cookies_from_browser
        raise explain_fault(f"--cookies-from-browser {browser}", str(error), heard) from error
    try:
        yield ydl
    finally:
        ydl.close()


def _options(settings: FetchSettings, heard: list[str]) -> dict[str, Any]:
    """yt-dlp's own options; what it needs of deno it finds by itself, beside this Python."""
    return {
        "logger": _Listener(heard),
        "noprogress": True,
        "noplaylist": True,
        "format": "bestvideo/best",  # any: the choice is made by choose_format
        "nopart": True,  # the name that it is given is a partial one already
        "overwrites": True,
        "continuedl": True,
        "updatetime": False,
        "retries": 0,  # of a transfer: bring_youtube makes the attempts
        "extractor_retries": settings.retries,
        "retry_sleep_functions": {"extractor": partial(_look_up_wait_s, settings, heard)},
        "socket_timeout": settings.timeout_s,
        "sleep_interval_requests": settings.sleep_s,
        "ratelimit": settings.rate_limit_bytes_s,
        **cookie_options(settings),
    }


def _look_up_wait_s(settings: FetchSettings, heard: list[str], n: int) -> float:
    """Seconds before yt-dlp's next question, where its last warning says why one is needed."""
    return settings.wait_s(n + 1) if not heard or waiting_helps(heard[-1]) else 0.0


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
