"""croissant.json, by the reference implementation of the format and by the files themselves."""

import hashlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
from etils import epath
from PIL import Image

from tests.wtours.published import STATED, make_published_set, record_of
from wtours.publishing.card import write_card
from wtours.shards import open_shards
from wtours.shards.schema import CUTS_SCHEMA, INDEX_SCHEMA

pytestmark = [
    pytest.mark.filterwarnings(
        # rdflib's own, when it parses JSON-LD.
        "ignore:ConjunctiveGraph is deprecated:DeprecationWarning:rdflib"
    ),
    pytest.mark.filterwarnings(
        # mlcroissant reads tables in a way that pandas 4 will not have.
        "ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        # mlcroissant unpacks tars without saying how; Python 3.12 and 3.13 warn of it.
        "ignore:Python 3.14 will, by default, filter extracted tar:DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        # mlcroissant leaves pictures for the garbage collector to close.
        r"ignore:Exception ignored in. <_io:pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets with their card."""
    extract = "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH"
    monkeypatch.setattr(extract, epath.Path(tmp_path / "cache"))
    out = tmp_path / "shards"
    make_published_set(out / "venice", record=record_of("venice"))
    make_published_set(out / "zurich", record=record_of("zurich", licence=STATED), seed=1)
    write_card(
        out, out, name="Two walks", url="https://example.org/walks", published=date(2026, 11, 23)
    )
    return out


def described(folder: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(folder / "croissant.json")


def values_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    return values


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record of mlcroissant as pyarrow gives it: names without their path, text as str."""
    plain: dict[str, Any] = {}
    for path, value in row.items():
        name = path.rpartition("/")[2]
        if isinstance(value, bytes):
            plain[name] = value.decode()
        elif isinstance(value, list):
            plain[name] = [plain_row(one) for one in value]
        else:
            plain[name] = value
    return plain


def test_the_reference_implementation_finds_no_error_and_nothing_to_warn_of(folder: Path) -> None:
    issues = described(folder).metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())


def test_what_version_1_1_requires_of_a_data_set_is_there(folder: Path) -> None:
    values = values_of(folder)
    assert values["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    required = ("@context", "@type", "creator", "datePublished", "description", "license", "name")
    assert all(values[key] for key in (*required, "url", "distribution"))
    assert values["license"] == [
        "https://creativecommons.org/licenses/by/3.0/",
        "https://creativecommons.org/licenses/by/4.0/",
    ]


@pytest.mark.parametrize(
    ("record_set", "table", "schema"),
    [("index", "index.parquet", INDEX_SCHEMA), ("cuts", "cuts.parquet", CUTS_SCHEMA)],
)
def test_records_equal_the_rows_of_the_tables(
    folder: Path, record_set: str, table: str, schema: Any
) -> None:
    rows = [plain_row(row) for row in described(folder).records(record_set)]
    stored = [
        row
        for name in ("venice", "zurich")
        for row in pq.read_table(folder / name / table).to_pylist()
    ]
    assert rows == stored
    assert len(rows) == (76 if record_set == "index" else 2)
    assert [*rows[0]] == schema.names


def test_numbers_have_the_widths_of_their_columns(folder: Path) -> None:
    row = next(iter(described(folder).records("index")))
    for column in INDEX_SCHEMA:
        value = row[f"index/{column.name}"]
        if isinstance(value, np.generic):
            assert value.dtype == column.type.to_pandas_dtype(), column.name


def test_pictures_are_those_of_the_sets(folder: Path) -> None:
    found = {
        row["pictures/key"].decode(): np.asarray(row["pictures/image"])
        for row in described(folder).records("pictures")
    }
    count = 0
    for shard_set in open_shards(folder):
        for number, key in enumerate(shard_set.table(["key"])["key"].to_pylist()):
            picture = np.asarray(Image.open(io.BytesIO(shard_set.read_jpeg(number))))
            np.testing.assert_array_equal(found[key], picture)
            count += 1
    assert len(found) == count == 76


def test_every_file_of_the_sets_is_listed_with_its_hash_and_size(folder: Path) -> None:
    listed = {
        entry["contentUrl"]: (entry["sha256"], entry["contentSize"])
        for entry in values_of(folder)["distribution"]
        if entry["@type"] == "cr:FileObject"
    }
    there = {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            f"{path.stat().st_size} B",
        )
        for path in folder.glob("*/*")
    }
    assert listed == there


def test_an_altered_tar_is_not_read(folder: Path) -> None:
    tar = folder / "venice" / "venice-000001.tar"
    content = bytearray(tar.read_bytes())
    content[600] ^= 1
    tar.write_bytes(content)
    with pytest.raises(Exception, match="Download") as fault:
        list(described(folder).records("pictures"))
    assert "Hash" in str(fault.value.__cause__)


def test_every_column_has_a_type_and_a_description(folder: Path) -> None:
    sets = {entry["@id"]: entry for entry in values_of(folder)["recordSet"]}
    for name, schema in (("index", INDEX_SCHEMA), ("cuts", CUTS_SCHEMA)):
        fields = {field["name"]: field for field in sets[name]["field"]}
        assert list(fields) == schema.names
        for field in fields.values():
            assert field["description"]
            assert all(part["dataType"] for part in field.get("subField", [field]))


def test_a_set_that_is_its_own_folder_is_read_too(folder: Path) -> None:
    venice = folder / "venice"
    write_card(venice, venice)
    rows = [plain_row(row) for row in described(venice).records("index")]
    assert rows == pq.read_table(venice / "index.parquet").to_pylist()


def test_without_what_nobody_knows_the_description_is_still_read(tmp_path: Path) -> None:
    make_published_set(tmp_path / "walk", record=None)
    write_card(tmp_path, tmp_path)
    values = values_of(tmp_path)
    assert "url" not in values
    assert "creator" not in values
    assert values["license"] == ["not known, see ATTRIBUTION.md"]
    issues = described(tmp_path).metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())


def test_a_folder_whose_name_is_a_pattern_is_taken_by_its_name(tmp_path: Path) -> None:
    make_published_set(tmp_path / "a[1]*" / "walk", record=None)
    make_published_set(tmp_path / "a1x" / "other", record=None, seed=1)
    write_card(tmp_path / "a[1]*", tmp_path)
    rows = [plain_row(row) for row in described(tmp_path).records("index")]
    assert {row["video"] for row in rows} == {"walk"}


def test_nothing_of_the_machine_is_described(folder: Path) -> None:
    text = (folder / "croissant.json").read_text(encoding="utf-8")
    assert str(folder.parent) not in text
