import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.detectors.detic.vocabulary import (
    Vocabulary,
    check_order,
    lvis_22k_names,
    lvis_names,
    names_of_checkpoint,
    read_names,
    read_vocabulary,
)
from wtours import WtoursError


def write_names(path: Path, *names: str) -> Path:
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


def test_built_in_names_are_those_of_upstream() -> None:
    everything = lvis_22k_names()
    assert len(everything.names) == 22_047
    assert everything.names[:2] == ("aerosol_can", "air_conditioner")
    assert everything.names[1202:1204] == ("zucchini", "organism")
    assert everything.names[-1] == "knothole"
    assert lvis_names().names == everything.names[:1203]


def test_every_label_is_one_class_only() -> None:
    everything = lvis_22k_names()
    assert len(set(everything.names)) < 22_047
    assert len(set(everything.labels)) == 22_047
    assert lvis_names().labels == lvis_names().names
    assert Vocabulary(names=("crane", "cup", "crane")).labels == ("crane (0)", "cup", "crane (2)")


@pytest.mark.parametrize(("classes", "first"), [(22_047, "aerosol_can"), (1203, "aerosol_can")])
def test_checkpoints_of_upstream_have_names(classes: int, first: str) -> None:
    vocabulary = names_of_checkpoint(classes)
    assert (len(vocabulary.names), vocabulary.names[0]) == (classes, first)


def test_other_classes_are_shown_as_numbers() -> None:
    assert names_of_checkpoint(3).names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("place", [(0, 1), (1201, 1202)])
def test_names_of_lvis_in_another_order_are_refused(place: tuple[int, int]) -> None:
    names = list(lvis_names().names)
    names[place[0]], names[place[1]] = names[place[1]], names[place[0]]
    with pytest.raises(WtoursError, match="not those of LVIS v1 in its order"):
        check_order(Vocabulary(names=tuple(names)), "the list")


def test_names_after_lvis_in_another_order_are_refused() -> None:
    names = lvis_22k_names().names
    turned = (*names[:1203], *reversed(names[1203:]))
    with pytest.raises(WtoursError, match="after the first 1203 are not upstream's"):
        check_order(Vocabulary(names=turned), "the list")


def test_embeddings_of_any_length_become_unit_vectors(tmp_path: Path) -> None:
    given = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float16) * 10
    np.save(tmp_path / "e.npy", given)
    names = write_names(tmp_path / "n.txt", "cup", " bicycle ", "street_sign")
    vocabulary = read_vocabulary(tmp_path / "e.npy", names)
    assert vocabulary.names == ("cup", "bicycle", "street_sign")
    assert vocabulary.embeddings is not None
    assert vocabulary.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vocabulary.embeddings, axis=1), 1, atol=1e-6)
    cosine = (vocabulary.embeddings * given).sum(axis=1) / np.linalg.norm(
        given.astype(np.float32), axis=1
    )
    np.testing.assert_allclose(cosine, 1, atol=1e-3)


def test_embeddings_and_names_of_different_number_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.ones((3, 8), dtype=np.float16))
    names = write_names(tmp_path / "n.txt", "cup", "bicycle")
    with pytest.raises(WtoursError, match=r"3 embeddings, but .*n\.txt has 2 names"):
        read_vocabulary(tmp_path / "e.npy", names)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 8), dtype=np.float32),
        np.array([[1.0, 2.0], [np.nan, 1.0]]),
        np.array([[1.0, 2.0], [np.inf, 1.0]]),
        np.ones(8),
        np.ones((2, 8), dtype=np.int64),
        np.array([[{}, {}], [{}, {}]], dtype=object),
    ],
)
def test_what_are_no_embeddings_is_refused(matrix: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", matrix)
    names = write_names(tmp_path / "n.txt", "cup", "bicycle")
    with pytest.raises(WtoursError, match=r"e\.npy"):
        read_vocabulary(tmp_path / "e.npy", names)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"cup\nbicycle\n"])
def test_what_is_no_npy_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.npy").write_bytes(content)
    with pytest.raises(WtoursError, match=r"e\.npy is no \.npy file"):
        read_vocabulary(tmp_path / "e.npy", write_names(tmp_path / "n.txt", "cup"))


def test_a_json_list_gives_names_and_synsets(tmp_path: Path) -> None:
    entries = [
        {"name": "crane", "id": 1, "frequency": "c", "synset": "crane.n.05"},
        {"id": 2, "synset": "crane.n.04", "name": "crane"},
    ]
    (tmp_path / "n.json").write_text(json.dumps(entries), encoding="utf-8")
    assert read_names(tmp_path / "n.json").labels == ("crane (crane.n.05)", "crane (crane.n.04)")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([{"id": 2, "name": "cup"}, {"id": 1, "name": "can"}], "entry 1 has id 2"),
        ([{"id": 1, "name": "cup"}, {"id": 3, "name": "can"}], "entry 2 has id 3"),
        ([{"id": 1}], "entry 1 has no name"),
        ([{"id": 1, "name": 5}], "entry 1 has no name"),
        (["cup"], "entry 1 has no name"),
        ([{"id": 1, "name": " "}], "name 1 is empty"),
        ({"names": ["cup"]}, "holds no list"),
        ([], "has no names"),
    ],
)
def test_a_json_list_out_of_order_or_without_names_is_refused(
    content: Any, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "n.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(WtoursError, match=fault):
        read_names(tmp_path / "n.json")


@pytest.mark.parametrize(
    ("file", "content"),
    [("n.json", b"[{"), ("n.json", b"[" * 100_000), ("n.txt", b"\xff\xfe"), ("n.txt", b"a\n\nb\n")],
)
def test_a_damaged_list_of_names_is_refused(file: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(WtoursError, match=file):
        read_names(tmp_path / file)


def test_a_missing_list_of_names_is_named(tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match=r"absent\.txt cannot be read"):
        read_names(tmp_path / "absent.txt")
