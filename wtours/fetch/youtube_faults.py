"""Our errors for those of yt-dlp, whose meanings stand in `youtube_fault_table`.

An error that no row of the table knows is passed on as it reads.
"""

import re
from collections.abc import Sequence
from typing import Any

from wtours.errors import WtoursError
from wtours.fetch.formats import CODEC_NAMES, codecs_on_offer, fewest_lines, slowest_rate
from wtours.fetch.landing import UnreachableError
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube_fault_table import FAULTS, NO_FORMATS, OTHER_SOURCE, UPGRADE, Fault


def find_fault(error: str, heard: Sequence[str]) -> Fault | None:
    """Return the row of the table that an error belongs to, or None where no row knows it."""
    return next((fault for fault in (*NO_FORMATS, *FAULTS) if fault.fits(error, heard)), None)


def waiting_helps(error: str) -> bool:
    """Whether the same question may be answered in a minute."""
    fault = find_fault(error, ())
    return fault is None or fault.name not in ("name resolution", "TLS", "proxy")


def explain_fault(url: str, error: str, heard: Sequence[str]) -> WtoursError:
    """Return our error for one of yt-dlp's.

    Args:
        url: the video's address.
        error: text of the exception.
        heard: what yt-dlp warned of before; it tells why formats are missing or cookies of no use.
    """
    text = _plain_text(error)
    fault = find_fault(text, heard)
    if fault is not None:
        # Of what holds for all videos the sentence is told of others too, who have other addresses.
        subject = "YouTube" if fault.kind is UnreachableError else url
        said = f'{subject}: {fault.meaning} ("{_first_sentence(text)}")'
        return fault.kind(said, remedy=fault.remedy)
    return WtoursError(
        f"{url}: {_first_sentence(text)}",
        remedy=f"if the video plays in a browser, yt-dlp may be too old: {UPGRADE}",
    )


def format_missing(url: str, info: dict[str, Any], settings: FetchSettings) -> WtoursError:
    """Return the error for a video of whose formats none fits; it names what there is.

    Args:
        url: the video's address.
        info: yt-dlp's info dictionary, with the warnings that `ask_youtube` put into it.
        settings: resolution, fps and codec that were asked for.
    """
    asked = f"up to {settings.resolution} lines and {settings.fps:g} pictures a second"
    if info.get("live_status") == "is_live":
        return WtoursError(
            f"{url}: the video is live now, and a recording of it is not there yet",
            remedy="run the same command again when it is over",
        )
    offers = codecs_on_offer(info, resolution=settings.resolution, fps=settings.fps)
    if offers and settings.codec != "auto":
        return WtoursError(
            f"{url}: it has no {CODEC_NAMES[settings.codec]} {asked}; it has {', '.join(offers)}",
            remedy="choose one of these with --codec, or leave it at --codec auto",
        )
    lines, rate_hz = fewest_lines(info), slowest_rate(info, resolution=settings.resolution)
    if lines is not None and lines > settings.resolution:
        return WtoursError(
            f"{url}: it has no picture track {asked}; its smallest has {lines} lines",
            remedy=f"allow it with --resolution {lines}, or {OTHER_SOURCE}",
        )
    if rate_hz is not None:
        return WtoursError(
            f"{url}: it has no picture track {asked}; its slowest has {rate_hz:g} a second",
            remedy=f"allow it with --fps {rate_hz:g}, or {OTHER_SOURCE}",
        )
    return explain_fault(url, "Requested format is not available", info.get("warnings") or ())


def _plain_text(error: str) -> str:
    """An error without colours, "ERROR:", the name of the extractor and the video's id."""
    text = re.sub(r"\x1b\[[\d;]*m", "", error).strip()
    return re.sub(r"^(ERROR: )?\s*(\[[\w:+]+\] )?([\w-]{11}: )?", "", text)


def _first_sentence(text: str) -> str:
    """Return the error up to yt-dlp's advice, which names options that are not ours."""
    advice = r"\. (?=Use --|See |It is rec|You might)|\s*\(caused by|; please report|\s+See  http"
    return re.split(advice, re.sub(r"\.?\s*\n\s*", ". ", text))[0].strip()[:200]
