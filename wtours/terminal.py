"""Tables on the terminal: what a command found, as rows that a person reads."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wtours.progress import duration_text, size_text

if TYPE_CHECKING:
    from wtours.doctor import Finding
    from wtours.fetch import Planned
    from wtours.integrity import Verification
    from wtours.manifest import Source
    from wtours.scenes import VideoShots
    from wtours.shard_estimate import Estimate
    from wtours.shard_outcome import WrittenSet

_WIDE = 240
"""Columns where the output is no terminal: nothing is to be folded in a log or a file."""
_MOST_NOTES = 20
"""Of a set; a folder of thousands of videos may have as many."""
_MARKS = {"ok": "ok", "note": "[yellow]note[/yellow]", "fault": "[red]fault[/red]"}


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, whole: Sequence[str] = ()
) -> None:
    """Print rows under headings: as wide as the terminal is, or as they are where it is none.

    Args:
        headings: of the columns.
        rows: as many texts each.
        whole: headings of the columns that are not folded; what is short stays readable.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in whole, min_width=len(heading))
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(table)


def print_shard_set(made: "WrittenSet") -> None:
    """Print a line on a shard set, and on stderr what is unusual about its videos."""
    videos = f" of {len(made.record.videos)} videos" if len(made.record.videos) > 1 else ""
    pictures, tars = count_text(made.pictures, "picture"), count_text(made.tars, "tar")
    done = f"{made.place}: {pictures}{videos} in {tars}"
    if made.skipped:
        print(f"{done}, there already")
    else:
        if made.from_unblurred:
            done += f", {count_text(made.from_unblurred, 'tar')} without decoding"
        cuts = count_text(made.cuts or 0, "cut")
        print(f"{done}, {cuts}, {size_text(made.size_bytes)}")
    notes = [(video.name, text) for video in made.record.videos for text in video.notes]
    for name, text in notes[:_MOST_NOTES]:
        note(name, text)
    if len(notes) > _MOST_NOTES:
        rest = len(notes) - _MOST_NOTES
        print(f"note: {rest} more notes on videos, in {made.place}/dataset.json", file=sys.stderr)


def count_text(number: int, noun: str) -> str:
    """Return a number with its noun: 1 tar, 2 tars."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def note(name: str, text: str) -> None:
    """Say on stderr what a user should know of a video."""
    print(f"note: {named(name, text)}", file=sys.stderr)


def named(name: str, text: str) -> str:
    """Return a sentence that begins with the name of its video, once."""
    told, colon, rest = text.partition(": ")
    told = "" if " " in told else told  # it is more than a name, or a path
    if colon and name in (told, Path(told).name, Path(told).stem):
        return f"{name}: {rest}"
    return f"{name}: {text}"


def print_plans(plans: Sequence["Planned"], out: Path) -> None:
    """Print what would be fetched: size, format, terms, source and place of each; the total."""
    from wtours.fetch.plan import format_text

    print_table(
        ("video", "status", "size", "format", "licence", "from", "to"),
        (
            (
                plan.name,
                plan.status,
                "" if plan.size_bytes is None else size_text(plan.size_bytes),
                escape(format_text(plan.offer)),
                escape((plan.licence and plan.licence.name) or ""),
                escape(_brief_origin(plan.offer.source)) if plan.offer else "",
                escape(plan.target.name),
            )
            for plan in plans
        ),
        whole=("video", "size"),
    )
    _print_remarks(plans)
    unknown = sum(plan.size_bytes is None for plan in plans)
    missing_bytes, free = sum(plan.missing_bytes for plan in plans), free_bytes(out)
    print(
        f"{len(plans)} video{'s' if len(plans) > 1 else ''}: {size_text(missing_bytes)} to fetch"
        + (f", and {unknown} of unknown size" if unknown else "")
        + f" into {out}; {size_text(free)} are free there"
    )
    if missing_bytes > free:
        print(f"note: that is {size_text(missing_bytes - free)} too little", file=sys.stderr)


def _brief_origin(source: "Source") -> str:
    """A source by its kind and what tells it apart; the manifest has its whole address."""
    own = source.id or source.article or urlsplit(source.url or "").hostname
    return f"{source.kind} {own or (source.path.name if source.path else '')}".rstrip()


def _print_remarks(plans: Sequence["Planned"]) -> None:
    """Say on stderr what is to be known of the plans; once, where it is the same for several."""
    names: dict[str, list[str]] = {}
    for plan in plans:
        for text in (*plan.faults, *plan.notes):
            names.setdefault(text, []).append(plan.name)
    for text, of in names.items():
        note(", ".join(of), text)


def print_verification(verification: "Verification") -> None:
    """Print what was measured of a video beside what manifest, record and platform say."""
    print(verification.path)
    print_table(
        ("", "measured", "stated", "platform", ""),
        (
            (
                one.name,
                *(escape(_brief(one.name, text)) for text in (one.measured, one.stated, one.said)),
                _MARKS[one.verdict],
            )
            for one in verification.checks
        ),
    )


def _brief(name: str, text: str) -> str:
    """A hash by its first digits: where two differ, the sentence below shows them whole."""
    return f"{text[:12]}..." if name == "SHA-256" and len(text) > 12 else text


def print_estimate(expected: "Estimate", out: str) -> None:
    """Print what sharding would make, video by video, and the total."""
    print_table(
        ("video", "frames", "pictures", "size", "time"),
        (
            (
                one.name,
                f"{one.frames:,}",
                f"{one.pictures:,}",
                size_text(one.size_bytes),
                duration_text(one.work_s),
            )
            for one in expected.videos
        ),
    )
    print(
        f"{out} would hold {expected.pictures:,} pictures, about {size_text(expected.size_bytes)}, "
        f"in about {duration_text(expected.work_s)} with {count_text(expected.workers, 'worker')}"
    )


def print_shots(found: "VideoShots") -> None:
    """Print the shots of a video, and the score of the cut that each begins with."""
    from wtours.scenes import clock_text

    print_table(
        ("shot", "start", "end", "length", "cut score"),
        (
            (
                str(shot.number),
                clock_text(shot.start_s),
                clock_text(shot.end_s),
                f"{shot.length_s:.2f} s",
                "" if shot.score is None else f"{shot.score:.1f}",
            )
            for shot in found.shots
        ),
    )


def print_findings(findings: Sequence["Finding"]) -> None:
    """Print what the doctor found, and what to type about it."""
    table = Table("", "found", "what to do", box=None)
    for finding in findings:
        mark = "ok" if finding.ok else "[bold]mend[/bold]"
        table.add_row(f"{mark} {finding.name}", escape(finding.text), escape(finding.remedy or ""))
    Console().print(table)


def free_bytes(folder: Path) -> int:
    """Return the room where `folder` is, or would be made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
