"""The list of videos: what each is called, where it can be had, and what somebody states of it.

`manifests/README.md` describes the file's keys. Statements are kept apart from measurements: what
stands here is compared with the fetched file and never replaces what was measured in it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from urllib.request import url2pathname

from wtours.errors import WtoursError
from wtours.toml_table import TomlTable, did_you_mean, load_toml

SourceKind = Literal["youtube", "figshare", "http", "file", "rendered"]

_NAME = re.compile(r"[a-z0-9_-]{1,100}")
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SOURCE_KEYS: dict[str, tuple[set[str], set[str]]] = {  # kind: keys it needs, keys it may have
    "youtube": ({"id"}, {"sha256"}),
    "figshare": ({"article"}, {"file", "sha256"}),
    "http": ({"url"}, {"sha256"}),
    "file": ({"path"}, {"sha256"}),
    "rendered": (set(), set()),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place that a video can be had from."""

    kind: SourceKind
    id: str | None = None
    """YouTube's eleven characters; may begin with - or _."""
    url: str | None = None
    path: Path | None = None
    """Absolute; in the file it may be relative to the manifest's folder."""
    article: int | None = None
    """Number of a public article of figshare."""
    file: str | None = None
    """Name of the file in that article; None: the one that is called as the video is."""
    sha256: str | None = None
    """What the file must hash to, if the writer of the manifest knows."""

    @property
    def origin(self) -> str:
        """Where the video comes from, as it is printed and recorded."""
        match self.kind:
            case "youtube":
                return f"https://www.youtube.com/watch?v={self.id}"
            case "figshare":
                return f"https://figshare.com/articles/dataset/{self.article}"
            case "http":
                return str(self.url)
            case "file":
                return str(self.path)
            case "rendered":
                return "rendered by this package"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What somebody states of a video; None where nobody does."""

    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    fps: float | None = None
    """Pictures per second."""
    duration_s: float | None = None
    duration_source: str | None = None
    licence: str | None = None
    licence_source: str | None = None
    remark: str | None = None


@dataclass(frozen=True, kw_only=True)
class Video:
    """One entry of a manifest."""

    name: str
    """File name without ending, and prefix of the keys in shards: [a-z0-9_-]+."""
    city: str | None
    sources: tuple[Source, ...]
    """In the order in which they are tried; at least one."""
    stated: Stated


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The videos of one manifest file, in its order."""

    path: Path
    videos: tuple[Video, ...]

    @classmethod
    def read(cls, path: str | Path) -> "Manifest":
        """Read and check a manifest: the same as `read_manifest`."""
        return read_manifest(path)

    def select(self, names: Iterable[str]) -> tuple[Video, ...]:
        """Return the videos of the given names, in the manifest's order; all where none is named.

        Raises:
            WtoursError: a name is not in the manifest.
        """
        wanted, known = list(names), [video.name for video in self.videos]
        for name in wanted:
            if name not in known:
                raise WtoursError(
                    f"{self.path} has no video named {name!r}",
                    remedy=did_you_mean(name, known) or f"name one of: {', '.join(known)}",
                )
        return tuple(video for video in self.videos if not wanted or video.name in wanted)


def packaged_manifest(name: str) -> Path:
    """Return the path of a manifest that comes with this package: "walking_tours" or "sample".

    A wheel carries them inside the package; a checkout has them in its top folder.

    Raises:
        WtoursError: no manifest of that name comes with the package.
    """
    room = Path(__file__).parent
    folders = (room / "manifests", room.parent / "manifests")
    for folder in folders:
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise WtoursError(
        f"no manifest named {name!r} comes with this package",
        remedy=f"give the path of a file, or one of: {', '.join(known)}",
    )


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest and check every entry of it.

    Raises:
        WtoursError: the file is missing or no TOML; a key is unknown, missing or of the wrong type;
            a name is used twice or badly formed. The message names file, entry and key.
    """
    path = Path(path)
    table = TomlTable(load_toml(path), where=str(path))
    table.allow("video", "stated", "mirror")
    common = table.table("stated")
    if common is not None:
        _stated(common)  # so that a fault in it is named where it stands
    defaults = common.values if common else {}
    mirrors = tuple(_mirror(entry) for entry in table.tables("mirror"))
    videos = tuple(_video(entry, defaults, mirrors, path.parent) for entry in table.tables("video"))
    if not videos:
        raise WtoursError(
            f"{path} lists no video", remedy="add an entry that begins with [[video]]"
        )
    _refuse_doubled(path, videos)
    return Manifest(path=path, videos=videos)


def _video(
    entry: TomlTable, defaults: dict[str, Any], mirrors: tuple[Source, ...], folder: Path
) -> Video:
    if isinstance(entry.values.get("name"), str):
        entry.where += f" ({entry.values['name']})"
    entry.allow("name", "city", "source", "stated")
    entry.need("name")
    name = entry.matching("name", _NAME, "up to 100 lower-case letters, digits, _ and -")
    sources = tuple(_source(source, folder) for source in entry.tables("source"))
    articles = [source.article for source in sources]
    sources += tuple(mirror for mirror in mirrors if mirror.article not in articles)
    if not sources:
        raise WtoursError(
            f"{entry.where}: it has no source",
            remedy=f"add [[video.source]] with a kind of {', '.join(get_args(SourceKind))}",
        )
    own = entry.table("stated")
    own_values = own.values if own else {}
    stated = _stated(TomlTable({**defaults, **own_values}, where=f"{entry.where}, stated"))
    for source in sources:
        _require_licence(entry, source, stated)
    return Video(name=str(name), city=entry.text("city"), sources=sources, stated=stated)


def _require_licence(entry: TomlTable, source: Source, stated: Stated) -> None:
    """A plain file shows no licence, so that somebody has to state one, and say who states it."""
    if source.kind in ("http", "file") and not (stated.licence and stated.licence_source):
        key = "licence_source" if stated.licence else "licence"
        raise WtoursError(
            f"{entry.where}: a source of kind {source.kind!r} shows no licence, and {key!r} is "
            "not stated",
            remedy='add licence = "..." and licence_source = "..." to its [video.stated]',
        )


def _source(entry: TomlTable, folder: Path) -> Source:
    entry.need("kind")
    kind = entry.text("kind")
    if kind not in _SOURCE_KEYS:
        raise entry.wrong("kind", f"one of {', '.join(get_args(SourceKind))}")
    needed, possible = _SOURCE_KEYS[kind]
    entry.allow("kind", *needed, *possible)
    entry.need(*sorted(needed))
    url, path = entry.text("url"), entry.text("path")
    if url is not None:
        _check_url(entry, url)
    return Source(
        kind=kind,  # type: ignore[arg-type]  # one of the keys above
        id=entry.matching("id", _YOUTUBE_ID, "YouTube's 11 letters, digits, - and _"),
        url=url,
        path=None if path is None else _local_path(entry, path, folder),
        article=entry.count("article"),
        file=entry.text("file"),
        sha256=entry.matching("sha256", _SHA256, "64 hexadecimal digits in lower case"),
    )


def _check_url(entry: TomlTable, url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is not closed
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise entry.wrong("url", "http://host/... or https://host/...")


def _local_path(entry: TomlTable, path: str, folder: Path) -> Path:
    """A path may be absolute, relative to the manifest's folder, or file:///absolute."""
    if path.startswith("file:"):
        parts = urlsplit(path)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise entry.wrong("path", "file:///absolute/path or a plain path")
        return Path(url2pathname(parts.path))
    return (folder / Path(path).expanduser()).absolute()


def _stated(entry: TomlTable) -> Stated:
    entry.allow(*Stated.__dataclass_fields__)
    return Stated(
        width=entry.count("width"),
        height=entry.count("height"),
        fps=entry.positive("fps"),
        duration_s=entry.positive("duration_s"),
        duration_source=entry.text("duration_source"),
        licence=entry.text("licence"),
        licence_source=entry.text("licence_source"),
        remark=entry.text("remark"),
    )


def _mirror(entry: TomlTable) -> Source:
    """A collection with copies of all videos: the last source of each."""
    entry.allow("kind", "article")
    entry.need("kind", "article")
    if entry.text("kind") != "figshare":
        raise entry.wrong("kind", '"figshare"')
    return Source(kind="figshare", article=entry.count("article"))


def _refuse_doubled(path: Path, videos: tuple[Video, ...]) -> None:
    seen: dict[str, int] = {}
    for number, video in enumerate(videos, start=1):
        if video.name in seen:
            raise WtoursError(
                f"{path}: videos {seen[video.name]} and {number} are both named {video.name!r}",
                remedy="give each video a name of its own",
            )
        seen[video.name] = number
