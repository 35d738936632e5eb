"""Seconds to verify a long video, beside decoding all of it and beside reading and hashing it.

    python -m benchmarks.verify [--video FILE] [--minutes 60] [--height 720] [--runs 3] [--out DIR]

Without a video, a sample walk is looped until it is an hour long: its packets are copied, nothing
is encoded again, and the file stays in `data/` for the next time. Verification promises to cost at
most one read of the file and a twentieth of one full decode. Decoding is timed once.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av

from benchmarks.measure import alternate, spread
from benchmarks.record import options_of, write_record
from wtours.integrity import check_video, verify_video
from wtours.sample_walk import render_sample_walk
from wtours.video import DECODER_THREADS
from wtours.whole_file import file_sha256, put_in_place

KEPT = Path("data") / "benchmarks"
WALK_S = 75.0
DISK = ", from the disk"
FIXED = f"{DECODER_THREADS} threads"


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, make a video if there is none, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the looped walk")
    parser.add_argument("--height", type=int, default=720, help="of the looped walk, px")
    options = options_of(parser, runs=3, tokens=tokens)
    video = options.video or looped_walk(options.minutes, height=options.height)
    write_record("verify", compare(video, runs=options.runs), folder=options.out)


def looped_walk(minutes: float, *, height: int) -> Path:
    """Return a sample walk that is repeated until it lasts so long; rendered where missing."""
    KEPT.mkdir(parents=True, exist_ok=True)
    walk, looped = KEPT / f"walk_{height}.mp4", KEPT / f"walk_{height}_{minutes:g}min.mp4"
    if not walk.exists():
        render_sample_walk(walk, duration_s=WALK_S, width=height * 16 // 9, height=height)
    if not looped.exists():
        part = looped.with_suffix(".part")
        loop(walk, part, times=max(1, round(minutes * 60 / WALK_S)))
        put_in_place(part, looped)
    return looped


def loop(walk: Path, target: Path, *, times: int) -> None:
    """Write the pictures of `walk` one time after the other, without decoding them."""
    ticks = 0
    with av.open(str(target), "w", format="mp4") as output:
        copied = None
        for _ in range(times):
            end = 0
            with av.open(str(walk)) as source:
                stream = source.streams.video[0]
                copied = copied or output.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.size == 0:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                    packet.stream = copied
                    output.mux(packet)
            ticks += end


def compare(video: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return a row for each way of going through the video."""
    facts, found = check_video(video), verify_video(video)
    assert found.facts == facts
    assert found.faults == (), found.faults
    assert found.sha256 == file_sha256(video)
    reads: dict[str, Callable[[], object]] = {
        "verify_video": lambda: verify_video(video),
        "reading and hashing": lambda: file_sha256(video),
        "check_video, then reading and hashing": lambda: (check_video(video), file_sha256(video)),
    }
    reads |= {
        name + DISK: lambda read=read: (forget(video), read())  # type: ignore[misc]
        for name, read in reads.items()
    }
    decodes: dict[str, Callable[[], object]] = {
        f"decoding all, {name}": lambda threads=threads: decode(  # type: ignore[misc]
            video, threads=threads, frames=facts.packets
        )
        for name, threads in {"a thread for each core": 0, FIXED: DECODER_THREADS}.items()
    }
    passed_s = alternate(reads, runs=runs) | alternate(decodes, runs=1)
    read_s = {
        name: min(passed_s["reading and hashing" + (DISK if name.endswith(DISK) else "")])
        for name in passed_s
    }
    decoding_s = min(*(min(passed_s[name]) for name in decodes))
    return [
        {
            "name": name,
            "video": f"{facts.codec}, {facts.width}x{facts.height}",
            "video_fps": round(float(facts.average_rate), 2),
            "video_s": round(facts.duration_s, 1),
            "video_mib": round(facts.size_bytes / 2**20, 1),
            "keyframes": found.keyframes,
            "s": spread(run_s),
            "beyond_one_read_s": spread([one_s - read_s[name] for one_s in run_s]),
            "of_a_decode": spread([(one_s - read_s[name]) / decoding_s for one_s in run_s]),
        }
        for name, run_s in passed_s.items()
    ]


def forget(video: Path) -> None:
    """Let the system drop what it keeps of a file in memory, where it can be asked to."""
    if hasattr(os, "posix_fadvise"):
        with video.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def decode(video: Path, *, threads: int, frames: int) -> None:
    """Decode every frame and drop it; there must be as many as the check has found."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        assert sum(1 for _ in container.decode(stream)) == frames


if __name__ == "__main__":
    main()
