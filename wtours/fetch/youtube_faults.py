"""What yt-dlp's errors mean and what to do about them: a table from its wording to ours.

The wordings are YouTube's and yt-dlp's own. The first row that is found in the error counts; an
error that no row knows is passed on as it reads.
"""

import re
from dataclasses import dataclass

from wtours.errors import WtoursError
from wtours.fetch.landing import DiskFullError

_YOUTUBE_EXTRA = "pip install --upgrade 'wtours[youtube]' yt-dlp"


@dataclass(frozen=True)
class _Fault:
    wording: str
    """Regular expression, found anywhere in the error, whatever the case."""
    meaning: str
    remedy: str


_FAULTS = (
    _Fault(
        r"no space left on device|disk quota exceeded",
        "no room is left on the disk",
        "free some room or name another folder with --out; what is there will be continued",
    ),
    _Fault(
        r"confirm you.{1,3}re not a bot|captcha challenge",
        "YouTube takes this machine for a bot and asks it to sign in",
        "wait some hours, or fetch from another network: data centres are refused often",
    ),
    _Fault(
        r"confirm your age|age-restricted|inappropriate for some users",
        "YouTube asks for a signed-in account of sufficient age",
        "add another source of this video to the manifest",
    ),
    _Fault(
        r"private video",
        "the video is private",
        "ask its owner, or add another source of it to the manifest",
    ),
    _Fault(
        r"not (made this video )?available in your country|blocked it in your country"
        r"|not available from your location",
        "the video is not shown in this country",
        "fetch it from another country, or add another source of it to the manifest",
    ),
    _Fault(
        r"has been removed|no longer available|account .{0,60}terminated|video unavailable"
        r"|incomplete youtube id|this video is unavailable|video is not available",
        "YouTube no longer has this video, or never had one with this id",
        "check the id in the manifest, or add another source of the video to it",
    ),
    _Fault(
        r"premieres in|live event will begin|this live event",
        "the video has not been shown yet",
        "wait until it has been",
    ),
    _Fault(
        r"members-only|join this channel|requires payment|available for registered users",
        "only members of the channel may see the video",
        "add another source of it to the manifest",
    ),
    _Fault(
        r"rate-limited|too many requests|http error 429|try again later",
        "YouTube refuses because too much was asked for in a short time",
        "wait an hour and run the same command again: it goes on where it stopped",
    ),
    _Fault(
        r"name resolution|name or service not known|nodename nor servname|failed to resolve"
        r"|getaddrinfo failed|no address associated",
        "the name of YouTube's server is not found",
        "check this machine's connection to the internet (and its proxy settings)",
    ),
    _Fault(
        r"certificate_verify_failed|certificate verify failed|ssl: |tlsv1_alert",
        "the encrypted connection to YouTube cannot be trusted",
        "check the clock of this machine and its certificates (pip install --upgrade certifi)",
    ),
    _Fault(
        r"network is unreachable|connection refused|connection reset|timed out|no route to host",
        "YouTube cannot be reached",
        "check this machine's connection and run the same command again: it goes on from there",
    ),
    _Fault(
        r"http error 403",
        "YouTube refuses to hand out the file (403)",
        f"run the same command again; if it stays so: {_YOUTUBE_EXTRA}",
    ),
)
_NO_RUNTIME = re.compile(
    r"javascript runtime|challenge solving failed|signature solving failed", re.I
)
_NO_FORMAT = re.compile(r"requested format is not available|no video formats found", re.I)


def explain_fault(url: str, error: str, heard: list[str]) -> WtoursError:
    """Return our error for one of yt-dlp's.

    Args:
        url: the video's address.
        error: text of the exception.
        heard: what yt-dlp warned of before; it tells why formats are missing.
    """
    text = re.sub(r"^(ERROR: )?(\[[\w:+]+\] )?", "", re.sub(r"\x1b\[[\d;]*m", "", error).strip())
    if _NO_FORMAT.search(text):
        return _format_missing(url, heard)
    for fault in _FAULTS:
        if re.search(fault.wording, text, re.I):
            kind = DiskFullError if fault is _FAULTS[0] else WtoursError
            return kind(f'{url}: {fault.meaning} ("{_first_sentence(text)}")', remedy=fault.remedy)
    return WtoursError(
        f"{url}: {_first_sentence(text)}",
        remedy=f"if the video plays in a browser, yt-dlp may be too old: {_YOUTUBE_EXTRA}",
    )


def _format_missing(url: str, heard: list[str]) -> WtoursError:
    if any(_NO_RUNTIME.search(warning) for warning in heard):
        return WtoursError(
            f"{url}: YouTube shows its formats only to programs that run its JavaScript, and no "
            "runtime for it was found",
            remedy=f"{_YOUTUBE_EXTRA}; then run `wtours doctor`",
        )
    return WtoursError(
        f"{url}: there is no picture track at or below the chosen number of lines",
        remedy="allow a higher one with --resolution, or add another source to the manifest",
    )


def _first_sentence(text: str) -> str:
    """Return the error up to yt-dlp's advice, which names options that are not ours."""
    return re.split(r"\. (?=Use --|See )|\s*\(caused by|; please report", text)[0].strip()[:200]
