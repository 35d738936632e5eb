"""Times of decoding a picture and of making a clip's views, on one thread.

    python -m benchmarks.decoders [--pictures FOLDER] [--preset released] [--run-s 0.5] [--runs 5]

First it is shown how far every decoder's pixels are from Pillow's, then each is timed, in turns.
Without a folder of JPEGs, a street is rendered at 910x512 px and kept as `wtours shard` does.
"""

import argparse
import io
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image

from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from dora.config import RunConfig
from dora.data.augment import finish_clip
from dora.data.clip_draws import draw_clip
from dora.data.jpeg import decode_jpeg, picture_size
from dora.data.places import ClipPlace, FramePlace, read_bytes
from dora.data.reading import ClipReader, one_thread
from dora.presets import named_preset
from tests.references.plain_views import plain_first, plain_views
from wtours.sample_walk import walk_frames

PICTURES = 40
HEIGHT, WIDTH = 512, 910


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, find or render pictures, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="folder of JPEGs of one size")
    parser.add_argument("--preset", default="released")
    parser.add_argument("--run-s", type=float, default=0.5, help="seconds of each run")
    options = options_of(parser, runs=5, tokens=tokens)
    with tempfile.TemporaryDirectory() as scratch, one_thread():
        folder = options.pictures or render(Path(scratch))
        paths = sorted(folder.glob("*.jpg"))[:PICTURES]
        timing = {"run_s": options.run_s, "runs": options.runs}
        rows = decoder_rows([path.read_bytes() for path in paths], **timing)
        rows += clip_rows(paths, named_preset(options.preset), **timing)
    write_record("decoders", rows, folder=options.out)


def render(folder: Path) -> Path:
    """Write pictures of the sample walk."""
    frames = walk_frames(duration_s=PICTURES / 10, width=WIDTH, height=HEIGHT, fps=10)
    for number, frame in enumerate(frames):
        path = folder / f"{number:03d}.jpg"
        Image.fromarray(frame).save(path, "JPEG", quality=90, subsampling="4:2:0")
    return folder


def decoders() -> dict[str, Callable[[bytes], np.ndarray]]:
    """Return ways of decoding, of which those with a fraction make a smaller picture."""
    buffer = np.empty(3 * 4096 * 4096, dtype=np.uint8)

    def smaller(eighths: int) -> Callable[[bytes], np.ndarray]:
        def decode(jpeg: bytes) -> np.ndarray:
            least = [-(-side * eighths // 8) for side in picture_size(jpeg)]
            return simplejpeg.decode_jpeg(
                jpeg, min_height=least[0], min_width=least[1], buffer=buffer
            )

        return decode

    return {
        "Pillow": lambda jpeg: np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")),
        "torchvision": torchvision_pixels,
        "simplejpeg": lambda jpeg: decode_jpeg(jpeg, picture_size(jpeg)),
        "simplejpeg, same memory": lambda jpeg: decode_jpeg(
            jpeg, picture_size(jpeg), buffer=buffer
        ),
        **{f"simplejpeg, {eighths}/8": smaller(eighths) for eighths in (7, 6, 5, 4, 2, 1)},
    }


def torchvision_pixels(jpeg: bytes) -> np.ndarray:
    """Return torchvision's pixels, whose decoder is deprecated since 0.29."""
    from torchvision.io import ImageReadMode, decode_jpeg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
        return decode_jpeg(data, ImageReadMode.RGB).permute(1, 2, 0).numpy()


def decoder_rows(jpegs: list[bytes], *, run_s: float, runs: int) -> list[dict[str, Any]]:
    """Return a row for each decoder: milliseconds a picture, and its distance from Pillow."""
    ways = decoders()
    times_ms = measure(
        {
            name: lambda decode=decode: [decode(jpeg) for jpeg in jpegs]
            for name, decode in ways.items()
        },
        run_s=run_s,
        runs=runs,
    )
    rows = []
    for name, decode in ways.items():
        whole = ways["Pillow"](jpegs[0])
        found = decode(jpegs[0]).copy()
        largest = int(abs(found.astype(int) - whole).max()) if found.shape == whole.shape else None
        ms = [each / len(jpegs) for each in times_ms[name]]
        rows.append(
            {
                "name": name,
                "picture_px": list(found.shape[:2]),
                "kilobytes": round(sum(map(len, jpegs)) / len(jpegs) / 1000),
                "ms": spread(ms),
                "largest_difference": largest,
            }
        )
    return rows


def clip_rows(
    paths: list[Path], run: RunConfig, *, run_s: float, runs: int
) -> list[dict[str, Any]]:
    """Return a row for each part of the way to a clip's views: milliseconds a clip."""
    places = [place_clip(paths, number, frames=run.clip.frames) for number in range(8)]
    reader = ClipReader(run.augment, seed=0)
    clips = [reader.read(place) for place in places]
    size = picture_size(paths[0].read_bytes())
    buffer = np.empty(3 * size[0] * size[1], dtype=np.uint8)
    jpegs = [[read_bytes(frame) for frame in place.frames] for place in places]
    frames = [np.stack([decode_jpeg(jpeg, size) for jpeg in clip]) for clip in jpegs]

    def draws() -> None:
        for place in places:
            draw_clip(
                run.augment,
                seed=0,
                position=place.position,
                frames=len(place.frames),
                height=size[0],
                width=size[1],
            )

    ways: dict[str, Callable[[], object]] = {
        "bare decodes": lambda: [
            decode_jpeg(jpeg, size, buffer=buffer) for clip in jpegs for jpeg in clip
        ],
        "bare decodes, fresh memory": lambda: [
            decode_jpeg(jpeg, size) for clip in jpegs for jpeg in clip
        ],
        "reading: bytes, draws, decodes, first crops": lambda: [reader.read(p) for p in places],
        "draws alone": draws,
        "views on this processor": lambda: [finish_clip(clip, run.augment) for clip in clips],
        "plain chain from decoded frames": lambda: plain_views(
            plain_first(frames[0], run.augment, clips[0].draws), run.augment, clips[0].draws
        ),
    }
    times_ms = measure(ways, run_s=run_s, runs=runs)
    rows = []
    for name, found_ms in times_ms.items():
        ms = [each / (1 if name.startswith("plain") else len(places)) for each in found_ms]
        beside = [
            len(places) * own / floor
            for own, floor in zip(ms, times_ms["bare decodes"], strict=True)
        ]
        rows.append(
            {
                "name": name,
                "preset": run.preset,
                "frames": run.clip.frames,
                "ms": spread(ms),
                "beside_bare_decodes": spread(beside),
            }
        )
    return rows


def place_clip(paths: list[Path], number: int, *, frames: int) -> ClipPlace:
    """Return where the pictures of a clip are, each a file of its own."""
    chosen = [paths[(number + 4 * t) % len(paths)] for t in range(frames)]
    return ClipPlace(
        position=number,
        set_number=0,
        rows=tuple(range(frames)),
        frames=tuple(
            FramePlace(
                path=str(path),
                offset=0,
                size=path.stat().st_size,
                crc32=zlib.crc32(path.read_bytes()),
            )
            for path in chosen
        ),
    )


def measure(
    ways: dict[str, Callable[[], object]], *, run_s: float, runs: int
) -> dict[str, list[float]]:
    """Return the processor's milliseconds for a call of each, in every run; they take turns.

    One thread computes: its own time is less disturbed by other programs than the clock's.
    """
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            way()
            passed: list[float] = []
            start = time.process_time()
            while (now := time.process_time()) - start < run_s:
                way()
                passed.append(time.process_time() - now)
            times_ms[name].append(1000 * median(passed))
    return times_ms


if __name__ == "__main__":
    main()
