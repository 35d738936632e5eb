"""What is told of videos on the terminal: each name once, tables that fit."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from wtours import terminal
from wtours.fetch.offer import Offer
from wtours.fetch.plan import Planned
from wtours.licence import Licence
from wtours.manifest import Source
from wtours.terminal import named, print_plans


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("venice", "venice: no source works", "venice: no source works"),
        ("venice", "venice.mp4: it is black", "venice: it is black"),
        ("venice.mp4", "data/venice.mp4: it is black", "venice.mp4: it is black"),
        ("venice", "https://x/y: refused", "venice: https://x/y: refused"),
        ("venice.mp4", "forced, although data/venice.mp4: black", None),
        ("venice", "venice is black", "venice: venice is black"),
        ("venice", "", "venice: "),
    ],
)
def test_name_of_a_video_is_told_once(name: str, text: str, told: str | None) -> None:
    assert named(name, text) == (told or f"{name}: {text}")


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_plans_fit_the_terminal_with_names_and_sizes_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    seen = "Creative Commons Attribution license (reuse allowed)"
    licence = Licence(seen=seen, shown_by_platform=True, stated=None, stated_by=None)
    said = {"width": 3840, "height": 2160, "fps": 60, "vcodec": "vp9", "format_id": "315"}
    source = Source(kind="youtube", id="aaaaaaaaaaa")
    plan = Planned(
        name="kuala_lumpur",
        status="to fetch",
        target=Path("data/videos/kuala_lumpur.webm"),
        have_bytes=0,
        offer=Offer(source=source, size_bytes=23_500_000_000, said={"format": said}),
        licence=licence,
        faults=(),
    )
    monkeypatch.setattr(
        terminal, "Console", lambda: Console(width=columns, force_terminal=True, no_color=True)
    )
    monkeypatch.setattr(terminal, "free_bytes", lambda folder: 20_000_000_000)
    print_plans([plan], Path("data/videos"))
    out, err = capsys.readouterr()
    table = re.sub(r"\x1b\[[\d;]*m", "", out[: out.index("1 video:")])
    assert all(len(line) <= columns for line in table.splitlines())
    assert all(word in table for word in ("kuala_lumpur ", "23.5 GB", "youtube", "licence"))
    assert "23.5 GB to fetch into data/videos; 20 GB are free there" in out
    assert err == "note: that is 3.5 GB too little\n"
