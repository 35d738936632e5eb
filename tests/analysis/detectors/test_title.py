"""People read which model found what, and a hash that tells two files of one name apart."""

from pathlib import Path

import pytest

from analysis.detectors.opening import file_of
from analysis.detectors.title import title_of

SHA = "3f2a91c0" + "0" * 56


@pytest.mark.parametrize(
    ("kind", "settings", "file", "title"),
    [
        ("onnx", {"family": "yolox"}, "m/yolox_nano.onnx", "yolox_nano (onnx, weights 3f2a91c0)"),
        ("onnx", {"family": "yolox"}, None, "yolox (onnx, weights 3f2a91c0)"),
        ("detic", {"backbone": "swin"}, "Detic_SwinB.pth", "Detic_SwinB (detic, weights 3f2a91c0)"),
        ("hf", {"model": "org/owl"}, None, "org/owl (hf, weights 3f2a91c0)"),
        ("torchvision", {"model": "ssd"}, "w.pth", "ssd (torchvision, weights 3f2a91c0)"),
        (
            "detectron2",
            {"config": "COCO/a.yaml"},
            None,
            "COCO/a.yaml (detectron2, weights 3f2a91c0)",
        ),
        ("eyes", {}, None, "eyes (weights 3f2a91c0)"),
    ],
)
def test_a_title_has_the_model_the_kind_and_a_hash(
    kind: str, settings: dict[str, str], file: str | None, title: str
) -> None:
    described = {"detector": kind, "weights_sha256": SHA, "settings": settings}
    assert title_of(described, file=None if file is None else Path(file)) == title


def test_without_weights_no_hash_is_told() -> None:
    assert title_of({"detector": "by hand"}) == "by hand"


def test_the_file_of_weights_is_the_one_that_was_named() -> None:
    assert file_of("onnx:m/yolox.onnx", None) == Path("m/yolox.onnx")
    assert file_of("detic", Path("d.pth")) == Path("d.pth")
    assert file_of("hf:org/owl", None) is None
