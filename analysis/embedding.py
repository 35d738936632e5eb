"""What a page knows of every frame, as text that its script reads: exact values and boxes.

Arrays are little-endian, compressed (zlib) and stand in the page as base64. Whatever is missing is
the largest number of its type. Lightness is in hundredths of L*, time in milliseconds, a box's
edges in 255ths of the picture and its score in per cent: as fine as the page shows them.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

MAX_TICKS = 120_000
"""Frames in a page; of more, every so-manieth is kept, evenly over each video."""
BOX_BYTES = 8
"""What a box takes in the page, about: 7 bytes, somewhat compressed, as base64."""
MISSING = 65_535
LIGHTNESS = ("mean", "p5", "p50", "p95")


def keep_every(ticks: int) -> int:
    """Return that every n-th tick of each video is embedded, so that all fit into a page."""
    return max(1, -(-ticks // MAX_TICKS))


def boxes_in_frame(boxes: "np.ndarray[Any, Any]", *, budget: int) -> int:
    """Return how many boxes of each frame, at most, fit into a budget: the surest of each.

    Args:
        boxes: (n,) boxes of each frame.
        budget: boxes of all frames together.

    >>> boxes_in_frame(np.array([1, 5, 2]), budget=6), boxes_in_frame(np.array([3, 3]), budget=9)
    (3, 3)
    """
    most = int(boxes.max(initial=0))
    frames_with = np.bincount(boxes.astype(np.int64), minlength=most + 1)[::-1].cumsum()[::-1]
    kept = frames_with[1:].cumsum()  # boxes kept where every frame keeps up to 1, 2, ... of them
    return int(np.searchsorted(kept, budget, side="right"))


def embed_ticks(pictures: pd.DataFrame, counts: pd.DataFrame | None) -> dict[str, str]:
    """Return the values of one video's ticks.

    Args:
        pictures: rows of `Tables.pictures` of the video, those that are embedded, sorted by tick.
        counts: rows of `objects_per_frame` of the video; None where nobody looked.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "time": np.rint(pictures["time_s"].to_numpy() * 1000).astype("<u4"),
        "tick": pictures["tick"].to_numpy().astype("<u4"),
    }
    for name in LIGHTNESS:
        arrays[name] = _hundredths(pictures[f"lightness_{name}"].to_numpy(dtype="float64"))
    if counts is not None:
        known = counts.set_index("tick").reindex(pictures["tick"])
        for name in ("classes", "instances"):
            values = known[name].to_numpy(dtype="float64", na_value=MISSING)
            arrays[name] = np.minimum(values, MISSING).astype("<u2")
    return {name: _text(array) for name, array in arrays.items()}


def embed_boxes(
    ticks: "np.ndarray[Any, Any]",
    detections: pd.DataFrame,
    *,
    size: tuple[int, int],
    places: Mapping[str, int],
    most: int,
) -> dict[str, str]:
    """Return the boxes of one video's ticks: `first` (n + 1 places), `kind`, `score`, `edges`.

    Args:
        ticks: (n,) those that are embedded, increasing.
        detections: of the video, from the threshold up.
        size: width and height in pixels of the pictures that were looked at.
        places: of each class name, its place in the page's list of names.
        most: boxes of a frame that are kept, the surest first.
    """
    shown = detections[detections["tick"].isin(ticks)]
    shown = shown.sort_values(["tick", "score"], ascending=[True, False], kind="stable")
    shown = shown[shown.groupby("tick").cumcount() < most]
    number = np.searchsorted(ticks, shown["tick"].to_numpy())
    first = np.concatenate(([0], np.bincount(number, minlength=len(ticks)).cumsum()))
    names = shown["name"].astype("category").cat.remove_unused_categories()
    kinds = np.asarray([places[name] for name in names.cat.categories], dtype="<u2")
    edges = shown[["x0", "y0", "x1", "y1"]].to_numpy(dtype="float64")
    shares = edges / np.asarray([*size, *size], dtype="float64")
    return {
        "first": _text(first.astype("<u4")),
        "kind": _text(kinds[names.cat.codes.to_numpy()]),
        "score": _text(np.rint(shown["score"].to_numpy(dtype="float64") * 100).astype("u1")),
        "edges": _text(np.rint(shares.clip(0, 1) * 255).astype("u1").ravel()),
    }


def embed_jpeg(jpeg: bytes) -> str:
    """Return a picture as an address that needs no other file."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def class_places(detections: pd.DataFrame) -> dict[str, int]:
    """Return the place of each class name in a page's list of names, in the order of names."""
    names: Sequence[str] = sorted(detections["name"].astype(str).unique())
    return {name: place for place, name in enumerate(names)}


def _hundredths(values: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, Any]":
    return np.where(np.isnan(values), MISSING, np.rint(np.nan_to_num(values) * 100)).astype("<u2")


def _text(array: "np.ndarray[Any, Any]") -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
