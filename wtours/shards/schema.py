"""What a shard set holds, as types: the record, the columns, one kept picture (see FORMAT.md)."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from wtours.errors import WtoursError
from wtours.publishing.credit import Credit, credit_of

FORMAT = "wtours-shards"
VERSION = 1
NAME = re.compile(r"[a-z0-9_-]+")
GUARD = "-guard"
"""Ends the kind of a box that was found in a neighbouring picture: `face-guard`."""
RECORD_FILE, INDEX_FILE, CUTS_FILE = "dataset.json", "index.parquet", "cuts.parquet"
SCORES_FILE = "scores.parquet"
ATTRIBUTION_FILE = "ATTRIBUTION.md"

BOX_TYPE = pa.struct(
    [(name, pa.float32()) for name in ("x0", "y0", "x1", "y1", "score")] + [("kind", pa.string())]
)
INDEX_SCHEMA = pa.schema(
    [
        ("video", pa.dictionary(pa.int32(), pa.string())),
        ("key", pa.string()),
        ("tick", pa.int64()),
        ("pts", pa.int64()),
        ("time_s", pa.float64()),
        ("segment", pa.int32()),
        ("tar", pa.dictionary(pa.int32(), pa.string())),
        ("offset", pa.int64()),
        ("size", pa.int32()),
        ("crc32", pa.uint32()),
        ("lightness_mean", pa.float32()),
        ("lightness_p5", pa.float32()),
        ("lightness_p50", pa.float32()),
        ("lightness_p95", pa.float32()),
        ("sharpness", pa.float32()),
        ("motion", pa.float32()),
        ("phash", pa.uint64()),
        ("boxes", pa.list_(BOX_TYPE)),
    ]
)
CUTS_SCHEMA = pa.schema(
    [
        ("video", pa.dictionary(pa.int32(), pa.string())),
        ("pts", pa.int64()),
        ("time_s", pa.float64()),
        ("score", pa.float32()),
        ("detector", pa.string()),
    ]
)
SCORES_SCHEMA = pa.schema(
    [
        ("video", pa.dictionary(pa.int32(), pa.string())),
        ("pts", pa.int64()),
        ("score", pa.float64()),
    ]
)


class ShardError(WtoursError):
    """A shard set that cannot be read as FORMAT.md says, or that was altered."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A detection in pixels of its picture; x1 and y1 are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    kind: str = "face"


@dataclass(frozen=True, kw_only=True)
class Lightness:
    """Statistics of a picture's L*, 0 to 100."""

    mean: float
    p5: float
    p50: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One kept picture, as its own stretch of video knows it."""

    video: str
    tick: int
    """The first tick that took the picture."""
    pts: int
    """Time stamp in units of the video's time base, from the first picture."""
    time_s: float
    jpeg: bytes
    width: int
    height: int
    lightness: Lightness
    sharpness: float
    phash: int
    boxes: tuple[Box, ...]
    blurred: bool

    @property
    def key(self) -> str:
        """Key of the picture in its tar: keys of a video sort in the order of time."""
        return f"{self.video}-{self.tick:08d}"

    def to_json(self) -> bytes:
        """Return the tar's `<key>.json`."""
        stored = {"key": self.key} | {
            name: value for name, value in asdict(self).items() if name != "jpeg"
        }
        stored["phash"] = f"{self.phash:016x}"
        return json.dumps(stored, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The first frame of a new shot."""

    pts: int
    time_s: float
    score: float
    detector: str


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """What the dataset record says of one video."""

    name: str
    sha256: str
    size_bytes: int
    codec: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    kept_rate: Fraction
    duration_s: float
    frames: int
    picture_width: int
    picture_height: int
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None
    attribution: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ShardError(
                f"a video is called {self.name!r}, which cannot be part of a key",
                remedy="use lower-case letters, digits, - and _",
            )

    @property
    def credit(self) -> Credit | None:
        """Who made the video and under which licence; None where it was not fetched.

        Raises:
            WtoursError: the provenance is not what `wtours fetch` records.
        """
        return credit_of(self.provenance) if self.provenance is not None else None

    def to_json(self) -> dict[str, Any]:
        """Return the record with fractions as strings."""
        return {
            field.name: str(value)
            if isinstance(value := getattr(self, field.name), Fraction)
            else value
            for field in fields(self)
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the record that `to_json` made."""
        exact = {name: Fraction(stored[name]) for name in ("time_base", "rate", "kept_rate")}
        return cls(**{**stored, **exact, "notes": tuple(stored["notes"])})


@dataclass(frozen=True, kw_only=True)
class TarRecord:
    """What the dataset record says of one tar."""

    name: str
    sha256: str
    size_bytes: int
    pictures: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A video that was asked for and could not be used."""

    video: str
    """Its name."""
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """The record that makes a folder a shard set."""

    videos: tuple[VideoRecord, ...]
    settings: Mapping[str, Any]
    tars: tuple[TarRecord, ...]
    tables: Mapping[str, str]
    software: Mapping[str, str]
    documents: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of ATTRIBUTION.md; empty in sets that were written before there was one."""
    left_out: tuple[LeftOut, ...] = ()
    """Damaged videos that the user let be left out."""

    def to_json(self) -> str:
        """Return the text of dataset.json."""
        stored = {
            "format": FORMAT,
            "version": VERSION,
            "videos": [video.to_json() for video in self.videos],
            "settings": self.settings,
            "tars": [asdict(tar) for tar in self.tars],
            "tables": self.tables,
            "documents": self.documents,
            "software": self.software,
            "left_out": [asdict(one) for one in self.left_out],
        }
        return json.dumps(stored, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read dataset.json.

        Raises:
            ShardError: it is missing, is no record, or has a format or version unknown here.
        """
        again = "make the set again with `wtours shard`"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ShardError(
                f"{path} is missing, so its folder is no shard set", remedy=again
            ) from None
        except (ValueError, UnicodeDecodeError) as fault:
            raise ShardError(f"{path} is not JSON ({fault})", remedy=again) from None
        kind = stored.get("format") if isinstance(stored, dict) else None
        if kind != FORMAT:
            raise ShardError(f"{path} describes {kind!r}, not {FORMAT}", remedy=again)
        if stored.get("version") != VERSION:
            raise ShardError(
                f"{path} has format version {stored.get('version')}; this release reads {VERSION}",
                remedy="use the release of wtours that wrote it, or make the set again",
            )
        try:
            return cls(
                videos=tuple(VideoRecord.from_json(video) for video in stored["videos"]),
                settings=stored["settings"],
                tars=tuple(TarRecord(**tar) for tar in stored["tars"]),
                tables=stored["tables"],
                software=stored["software"],
                documents=stored.get("documents", {}),
                left_out=tuple(LeftOut(**one) for one in stored.get("left_out", ())),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise ShardError(f"{path} lacks or misstates {fault}", remedy=again) from None
