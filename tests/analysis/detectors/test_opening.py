"""Detectors by name: what there is, and a sentence for what there is not."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from analysis.detectors.device import cores_of_process
from analysis.detectors.opening import SPECS, open_detector
from tests.analysis.detectors.onnx_making import write_constant_model
from tests.analysis.detectors.test_onnx import NAMES, raw_of
from wtours import WtoursError


def open_in_words(spec: str, **given: Any) -> str:
    with pytest.raises(WtoursError) as fault:
        open_detector(spec, **given)
    assert fault.value.remedy
    return str(fault.value)


@pytest.mark.parametrize("spec", ["", "yolo", "detic:x", "onnx", "onnx:", "hf:", "torchvision"])
def test_an_unknown_detector_is_answered_with_what_there_is(spec: str) -> None:
    told = open_in_words(spec)
    assert repr(spec) in told
    assert all(known in told for known in SPECS)


def test_detic_without_weights_says_what_to_do() -> None:
    assert "wtours analyze --download detic" in open_in_words("detic")
    assert "--names" in open_in_words("detic", weights=Path("w"), vocabulary=Path("v.npy"))


def test_options_that_a_detector_does_not_have_are_refused(tmp_path: Path) -> None:
    assert "leave --weights out" in open_in_words("onnx:x.onnx", weights=tmp_path)
    assert "leave --dtype out" in open_in_words("onnx:x.onnx", dtype="float16")
    assert "leave --vocabulary out" in open_in_words("hf:a/b", vocabulary=tmp_path)
    assert "1.5" in open_in_words("detic", threshold=1.5)


def test_float16_on_a_cpu_is_refused_before_anything_is_loaded() -> None:
    for spec in ("torchvision:ssdlite320_mobilenet_v3_large", "hf:a/b", "detic"):
        told = open_in_words(spec, dtype="float16", device="cpu", weights=None)
        assert "float16 is for GPUs" in told
        assert "bfloat16" in told


@pytest.mark.parametrize(("processes", "cores"), [("1", 6), ("2", 3), ("4", 1), ("9", 1)])
def test_processes_of_torchrun_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, processes: str, cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert cores_of_process() == cores


def test_onnx_with_names_of_a_file(tmp_path: Path) -> None:
    model = write_constant_model(tmp_path / "tiny.onnx", raw_of((9, 0.5, 0.5, 0, 0, 0.9, 1)))
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    detector = open_detector(f"onnx:{model}", names=names, threshold=0.5, device="cpu")
    assert tuple(detector.names) == NAMES
    described = detector.describe()
    assert described["detector"] == "onnx"
    assert len(described["weights_sha256"]) == 64
    assert described["settings"]["threshold"] == 0.5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    model = write_constant_model(tmp_path / "tiny.onnx", raw_of())
    assert "no device 'cuda:0'" in open_in_words(f"onnx:{model}", device="cuda:0")


def test_detectron2_and_transformers_say_when_they_are_missing() -> None:
    if importlib.util.find_spec("detectron2") is None:
        assert "detectron2, which is not installed" in open_in_words("detectron2:x.yaml")
    if importlib.util.find_spec("transformers") is None:
        assert "pip install transformers" in open_in_words("hf:google/owlv2")


def test_detectron2_gets_blue_first_and_its_threshold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in with the attributes of detectron2's own classes."""
    seen: list[np.ndarray] = []

    class Instances(SimpleNamespace):
        def to(self, device: str) -> "Instances":
            return self

    class Predictor:
        def __init__(self, settings: Any) -> None:
            self.model = torch.nn.Linear(1, 1)
            assert settings.MODEL.ROI_HEADS.SCORE_THRESH_TEST == 0.4

        def __call__(self, image: np.ndarray) -> dict[str, Instances]:
            seen.append(image)
            return {
                "instances": Instances(
                    pred_boxes=SimpleNamespace(tensor=torch.tensor([[1.0, 2, 5, 90]])),
                    scores=torch.tensor([0.8]),
                    pred_classes=torch.tensor([1]),
                )
            }

    settings = SimpleNamespace(
        MODEL=SimpleNamespace(
            ROI_HEADS=SimpleNamespace(NUM_CLASSES=3),
            RETINANET=SimpleNamespace(),
        ),
        DATASETS=SimpleNamespace(TEST=["rooms"]),
    )
    catalog = SimpleNamespace(get=lambda name: SimpleNamespace(thing_classes=list(NAMES)))
    _stand_in(
        monkeypatch,
        {
            "detectron2": {},
            "detectron2.model_zoo": {"get_config": lambda path, trained: settings},
            "detectron2.config": {"get_cfg": lambda: settings},
            "detectron2.data": {"MetadataCatalog": catalog},
            "detectron2.engine": {"DefaultPredictor": Predictor},
        },
    )
    detector = open_detector("detectron2:COCO-Detection/x.yaml", threshold=0.4, device="cpu")
    image = np.arange(60 * 20 * 3, dtype=np.uint8).reshape(60, 20, 3)
    (found,) = detector.detect([image])
    assert np.array_equal(seen[0], image[..., ::-1])
    assert found.boxes.tolist() == [[1, 2, 5, 60]]
    assert [detector.names[name] for name in found.classes] == ["dog"]
    three = tmp_path / "names.txt"
    three.write_text("a\nb")
    assert "knows 3 classes, but 2 names" in open_in_words(
        "detectron2:COCO-Detection/x.yaml", threshold=0.4, names=three, device="cpu"
    )


def _stand_in(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, dict[str, Callable[..., Any] | Any]]
) -> None:
    import sys

    for name, members in modules.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)
