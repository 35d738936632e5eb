"""Shard sets described in Croissant 1.1, the JSON-LD that data set searches and loaders read.

The specification is https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Addresses of
files are relative to croissant.json, so that the description moves with the sets.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from wtours.shards import ShardError, ShardSet
from wtours.shards.reader import AGAIN
from wtours.shards.schema import (
    ATTRIBUTION_FILE,
    CUTS_FILE,
    CUTS_SCHEMA,
    INDEX_FILE,
    INDEX_SCHEMA,
    RECORD_FILE,
)
from wtours.whole_file import file_sha256

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_PARQUET, _TAR, _JPEG = "application/x-parquet", "application/x-tar", "image/jpeg"
_SHORT = {  # the context that the specification recommends (Appendix 1)
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
}
_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_TYPES = {
    pa.string(): "sc:Text",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.uint32(): "cr:UInt32",
    pa.uint64(): "cr:UInt64",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
}
_INDEX_COLUMNS = {
    "video": "name of the video",
    "key": "key of the picture in its tar; ticks that share a picture share its key",
    "tick": "number of the tick, from 0",
    "pts": "time stamp of the picture in units of the video's time base, from its first picture",
    "time_s": "the same in seconds",
    "segment": "number of the unbroken run of ticks, from 0: it grows at cuts and gaps",
    "tar": "file name of the tar, in the folder of the index",
    "offset": "first byte of the JPEG in the tar",
    "size": "bytes of the JPEG",
    "crc32": "CRC-32 of the JPEG",
    "lightness_mean": "mean of L* over the picture before blurring, 0 to 100",
    "lightness_p5": "5th percentile of L*",
    "lightness_p50": "median of L*",
    "lightness_p95": "95th percentile of L*",
    "sharpness": "variance of the Laplacian, before blurring",
    "motion": "mean absolute change since the row before, grey levels of 255; none in a first row",
    "phash": "perceptual hash: near-duplicates differ in few bits",
    "boxes": "what was covered",
}
_BOX_FIELDS = {
    "x0": "left side, pixels of the stored picture",
    "y0": "upper side, pixels",
    "x1": "right side, pixels",
    "y1": "lower side, pixels",
    "score": "of the detector, 0 to 1",
    "kind": "what it is, such as face",
}
_CUTS_COLUMNS = {
    "video": "name of the video",
    "pts": "time stamp of the new shot's first frame, in units of the video's time base",
    "time_s": "the same in seconds",
    "score": "on the detector's own scale",
    "detector": "which detector found it",
}


def describe_sets(
    sets: Mapping[PurePosixPath, ShardSet],
    *,
    name: str,
    description: str,
    licences: Sequence[str],
    creators: Mapping[str, str | None],
    published: date,
    cite_as: str,
    url: str | None,
    limits: Sequence[str],
    privacy: str,
) -> dict[str, Any]:
    """Return the description of sets as a JSON-LD object.

    Args:
        sets: by the path of their folders, from where croissant.json is to stand.
        name: of the whole.
        description: what it is.
        licences: addresses of deeds, or names where there is no address.
        creators: of the videos, with an address where known.
        published: date of publication.
        cite_as: a citation as BibTeX.
        url: page of the data set, if it has one yet.
        limits: what a user should not rely on.
        privacy: what is known of persons in the pictures.

    Raises:
        ShardError: a file that a set's record lists is missing.
    """
    people = [
        {"@type": "sc:Organization", "name": who} | ({"url": where} if where else {})
        for who, where in creators.items()
    ]
    return {
        "@context": _SHORT | {term: f"cr:{term}" for term in _TERMS},
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": description,
        "license": list(licences),
        **({"url": url} if url else {}),
        **({"creator": people} if people else {}),
        "datePublished": published.isoformat(),
        "version": "1.0.0",
        "citeAs": cite_as,
        "keywords": ["first-person video", "self-supervised learning", "webdataset"],
        "isLiveDataset": False,
        "rai:dataLimitations": list(limits),
        "rai:personalSensitiveInformation": [privacy],
        "distribution": _distribution(sets),
        "recordSet": [
            _record_set("index", INDEX_SCHEMA, _INDEX_COLUMNS, "one row a tick with a picture"),
            _record_set("cuts", CUTS_SCHEMA, _CUTS_COLUMNS, "one row a cut"),
            _pictures(),
        ],
    }


def _distribution(sets: Mapping[PurePosixPath, ShardSet]) -> list[dict[str, Any]]:
    files, tars = [], []
    for folder, shard_set in sets.items():
        record = shard_set.record
        hashes = {**record.tables, **record.documents}
        hashes[RECORD_FILE] = file_sha256(shard_set.folder / RECORD_FILE)
        for file, digest in hashes.items():
            files.append(_file(folder / file, digest, _size_of(shard_set.folder / file)))
        for tar in record.tars:
            files.append(_file(folder / tar.name, tar.sha256, tar.size_bytes))
            tars.append({"@id": str(folder / tar.name)})
    pictures = {"containedIn": tars, "encodingFormat": _JPEG, "includes": "*.jpg"}
    return [
        *files,
        _file_set("index-files", _tables(sets, INDEX_FILE)),
        _file_set("cuts-files", _tables(sets, CUTS_FILE)),
        _file_set("picture-files", pictures),
    ]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise ShardError(f"{path} is missing", remedy=AGAIN) from None


def _file(path: PurePosixPath, digest: str, size_bytes: int) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": str(path),
        "name": str(path),
        "contentUrl": str(path),
        "contentSize": f"{size_bytes} B",
        "encodingFormat": _format_of(path),
        "sha256": digest,
    }


def _format_of(path: PurePosixPath) -> str:
    if path.name == ATTRIBUTION_FILE:
        return "text/markdown"
    return {".tar": _TAR, ".parquet": _PARQUET, ".json": "application/json"}[path.suffix]


def _tables(sets: Mapping[PurePosixPath, ShardSet], file: str) -> dict[str, Any]:
    """The same table of all sets: named one by one, so that no stranger's file is among them."""
    return {"encodingFormat": _PARQUET, "includes": [escape(str(folder / file)) for folder in sets]}


def _file_set(name: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, **rest}


def _record_set(
    name: str, schema: pa.Schema, columns: Mapping[str, str], description: str
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            _field(f"{name}/{column.name}", column.type, f"{name}-files", columns[column.name])
            for column in schema
        ],
    }


def _field(path: str, kind: pa.DataType, files: str, description: str) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    field = {"@type": "cr:Field", "@id": path, "name": name, "description": description}
    if pa.types.is_list(kind):
        parts = [
            _part(f"{path}/{part.name}", part.type, files, name) for part in kind.value_type.fields
        ]
        return field | {"isArray": True, "arrayShape": "-1", "subField": parts}
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return field | {"dataType": _TYPES[plain], "source": _column(files, name)}


def _part(path: str, kind: pa.DataType, files: str, column: str) -> dict[str, Any]:
    """One value of each struct in a column of lists of structs."""
    name = path.rpartition("/")[2]
    return {
        "@type": "cr:Field",
        "@id": path,
        "name": name,
        "description": _BOX_FIELDS[name],
        "dataType": _TYPES[kind],
        "source": _column(files, column) | {"transform": {"jsonPath": name}},
    }


def _column(files: str, name: str) -> dict[str, Any]:
    return {"fileSet": {"@id": files}, "extract": {"column": name}}


def _pictures() -> dict[str, Any]:
    files = {"fileSet": {"@id": "picture-files"}}
    key = {
        "@type": "cr:Field",
        "@id": "pictures/key",
        "name": "key",
        "description": "key of the picture, as in the index",
        "dataType": "sc:Text",
        "source": files
        | {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"(.+)\.jpg"}},
    }
    image = {
        "@type": "cr:Field",
        "@id": "pictures/image",
        "name": "image",
        "description": "the picture",
        "dataType": "sc:ImageObject",
        "source": files | {"extract": {"fileProperty": "content"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "every stored picture once",
        "key": {"@id": "pictures/key"},
        "field": [key, image],
    }
