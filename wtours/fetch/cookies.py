"""Cookies that YouTube is shown: from a file that is only ever read, or from a browser.

A fault of the file is found here, before anything is asked of the network.
"""

import io
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.fetch.settings import FetchSettings

_COLUMNS = 7
"""domain, subdomains too, path, https only, expires, name, value; separated by tabs."""
_HEADER = "# Netscape HTTP Cookie File\n"
_EXPORT_ANEW = (
    "export the cookies of youtube.com anew, in Netscape's format, from a browser that is signed "
    "in, or use --cookies-from-browser"
)


def cookie_options(settings: FetchSettings) -> dict[str, Any]:
    """Return yt-dlp's options for the cookies that were asked for; an empty dictionary for none.

    The file is handed over as a stream of its own: yt-dlp writes the cookies back when it closes,
    which must not reach the user's file, nor another video that is fetched at the same time.

    Raises:
        WtoursError: the file cannot be used, or the browser is not one that yt-dlp knows.
    """
    options: dict[str, Any] = {}
    if settings.cookies is not None:
        options["cookiefile"] = io.StringIO(read_cookies(settings.cookies))
    if settings.cookies_from_browser is not None:
        options["cookiesfrombrowser"] = parse_browser(settings.cookies_from_browser)
    return options


def read_cookies(path: Path, *, now_s: float | None = None) -> str:
    """Return a cookies file as yt-dlp takes it, once it is known to help.

    Some exporters leave the first line out, or let the second column contradict the domain, on
    which Python's reader stumbles; both are mended in what is returned.

    Args:
        path: a file in Netscape's format.
        now_s: seconds since 1970; the clock's where None.

    Raises:
        WtoursError: it is missing, of another format, or has no cookie of YouTube that is valid.
    """
    text = _read(path)
    if text.lstrip()[:1] in ("[", "{"):
        raise _unfit(path, "it is JSON, not Netscape's format")
    rows = [_columns(path, number, line) for number, line in enumerate(text.split("\n"), start=1)]
    ours = [columns for columns in rows if columns and _is_youtubes(columns[0])]
    if not ours:
        raise _unfit(path, "it has no cookie of youtube.com")
    ends_s = [float(columns[4] or 0) for columns in ours]
    if all(0 < end_s <= (time.time() if now_s is None else now_s) for end_s in ends_s):
        last = datetime.fromtimestamp(max(ends_s), UTC).strftime("%Y-%m-%d")
        raise _unfit(path, f"its cookies of youtube.com have expired, the last of them on {last}")
    lines = ["\t".join((domain, _dotted(domain), *more)) for domain, _, *more in filter(None, rows)]
    return _HEADER + "".join(f"{line}\n" for line in lines)


def parse_browser(text: str) -> tuple[str, str | None, None, None]:
    """Return what yt-dlp wants for NAME or NAME:PROFILE.

    Raises:
        WtoursError: yt-dlp does not know the browser.
    """
    from yt_dlp.cookies import SUPPORTED_BROWSERS

    name, _, profile = text.partition(":")
    name = name.strip().lower()
    if name not in SUPPORTED_BROWSERS:
        raise WtoursError(
            f"--cookies-from-browser: {text!r} names no browser that is known",
            remedy=f"name one of {', '.join(sorted(SUPPORTED_BROWSERS))}, then :PROFILE if need be",
        )
    return name, profile or None, None, None


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WtoursError(
            f"--cookies {path}: there is no such file", remedy="correct its name, or leave it out"
        ) from error
    except UnicodeDecodeError as error:
        raise _unfit(path, "it is no text, so not Netscape's format") from error
    except OSError as error:
        raise WtoursError(
            f"--cookies {path} cannot be read ({error.strerror})",
            remedy="name a file that you may read",
        ) from error


def _columns(path: Path, number: int, line: str) -> list[str]:
    """The columns of a line, none for a comment; "#HttpOnly_" marks a cookie and is no comment."""
    line = line.removeprefix("#HttpOnly_")
    if line.startswith("#") or not line.strip():
        return []
    columns = line.split("\t")
    if len(columns) != _COLUMNS:
        raise _unfit(
            path,
            f"line {number} has {len(columns)} columns between tabs, not {_COLUMNS}, so it is not "
            "Netscape's format",
        )
    if not re.fullmatch(r"(\d+(\.\d+)?)?", columns[4]):
        raise _unfit(path, f"line {number} says {columns[4]!r} where a time of expiry belongs")
    return columns


def _dotted(domain: str) -> str:
    """The second column: whether subdomains may see the cookie, which a leading dot says too."""
    return "TRUE" if domain.startswith(".") else "FALSE"


def _is_youtubes(domain: str) -> bool:
    return f".{domain.lower()}".endswith(".youtube.com")


def _unfit(path: Path, fault: str) -> WtoursError:
    return WtoursError(f"--cookies {path}: {fault}", remedy=_EXPORT_ANEW)
