"""Detectors of transformers, tiny ones with random weights, beside the library called directly.

They run where transformers is installed, which this package does not need.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.detectors.opening import open_detector
from analysis.detectors.transformers_models import name_tokens
from wtours import WtoursError

transformers: Any = pytest.importorskip(
    "transformers", reason="transformers is optional and not installed"
)
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
NAMES = ("cat", "a dog", "cup")


@pytest.fixture(scope="module")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain detector of five classes."""
    folder = tmp_path_factory.mktemp("models") / "yolos"
    torch.manual_seed(0)
    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=7,
        id2label={number: f"thing {number}" for number in range(5)},
        label2id={f"thing {number}": number for number in range(5)},
    )
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessor(
        size={"shortest_edge": 48, "longest_edge": 64}
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zero-shot detector that reads letters."""
    folder = tmp_path_factory.mktemp("models") / "owlv2"
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>", "!"]
    tokenizer = transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        pad_token="!",
        model_max_length=16,
    )
    small = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = transformers.Owlv2Config(
        text_config={**small, "vocab_size": len(tokens), "max_position_embeddings": 16},
        vision_config={**small, "image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    transformers.Owlv2ForObjectDetection(config).save_pretrained(folder)
    pictures = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def grounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zero-shot detector that reads all names as one text of letters."""
    folder = tmp_path_factory.mktemp("models") / "grounded"
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *letters]
    tokens += [f"##{letter}" for letter in letters]
    tokenizer = transformers.BertTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, model_max_length=64
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(tokens),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=9,
        max_text_len=64,
        disable_custom_kernels=True,
    )
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    pictures = transformers.GroundingDinoImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 96}
    )
    transformers.GroundingDinoProcessor(
        image_processor=pictures, tokenizer=tokenizer
    ).save_pretrained(folder)
    return folder


def test_a_detector_of_phrases_gives_the_boxes_of_the_library_a_name_each(
    grounded: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    detector = open_detector(f"hf:{grounded}", names=names, threshold=0.01, device="cpu")
    found, again = detector.detect([IMAGE, IMAGE])
    network = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(grounded).eval()
    processor = transformers.AutoProcessor.from_pretrained(grounded)
    with torch.inference_mode():
        outputs = network(**processor(images=[IMAGE], text=[list(NAMES)], return_tensors="pt"))
    (plain,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, text_threshold=0.0, target_sizes=[(60, 90)]
    )
    assert len(found) > 0
    within = plain["boxes"].clamp(min=0).minimum(torch.tensor([90.0, 60, 90, 60]))
    for box, score in zip(found.boxes, found.scores, strict=True):
        near = (within - torch.from_numpy(box)).abs().amax(dim=1) < 1e-2
        # The library's score may be that of a full stop, which belongs to no name.
        assert (near & (plain["scores"] >= score - 1e-5)).any()
    np.testing.assert_allclose(found.boxes, again.boxes, atol=1e-2)


def test_a_plain_detector_gives_what_the_library_gives(yolos: Path) -> None:
    detector = open_detector(f"hf:{yolos}", threshold=0.05, device="cpu")
    assert tuple(detector.names) == tuple(f"thing {number}" for number in range(5))
    found, again = detector.detect([IMAGE, IMAGE])
    network = transformers.AutoModelForObjectDetection.from_pretrained(yolos).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(yolos)
    with torch.inference_mode():
        outputs = network(**processor(images=[IMAGE], return_tensors="pt"))
    (plain,) = processor.post_process_object_detection(
        outputs, threshold=0.05, target_sizes=[(60, 90)]
    )
    order = torch.argsort(-plain["scores"])
    assert len(found) == len(order) > 0
    assert np.array_equal(found.classes, plain["labels"][order])
    limits = np.array([90, 60, 90, 60])
    np.testing.assert_allclose(
        found.boxes, plain["boxes"][order].clamp(min=0).numpy().clip(max=limits), atol=1e-3
    )
    np.testing.assert_allclose(found.scores, plain["scores"][order], atol=1e-6)
    np.testing.assert_allclose(found.boxes, again.boxes, atol=1e-3)


def test_a_zero_shot_detector_finds_the_names_it_is_given(owlv2: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    detector = open_detector(f"hf:{owlv2}", names=names, threshold=0.01, device="cpu")
    assert tuple(detector.names) == NAMES
    found, again = detector.detect([IMAGE, IMAGE])
    network = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(owlv2).eval()
    processor = transformers.AutoProcessor.from_pretrained(owlv2)
    with torch.inference_mode():
        outputs = network(**processor(images=[IMAGE], text=[list(NAMES)], return_tensors="pt"))
    (plain,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.01, target_sizes=[(60, 90)]
    )
    assert 0 < len(found) <= len(plain["scores"])
    for box, score, name in zip(found.boxes, found.scores, found.classes, strict=True):
        within = plain["boxes"].clamp(min=0).minimum(torch.tensor([90.0, 60, 90, 60]))
        near = (within - torch.from_numpy(box)).abs().amax(dim=1) < 1e-2
        same = near & (plain["labels"] == int(name)) & ((plain["scores"] - score).abs() < 1e-5)
        assert same.any()
    np.testing.assert_allclose(found.boxes, again.boxes, atol=1e-3)
    assert detector.describe()["settings"]["names"] == list(NAMES)


def test_a_zero_shot_detector_without_names(owlv2: Path) -> None:
    with pytest.raises(WtoursError, match="was told nothing"):
        open_detector(f"hf:{owlv2}", device="cpu")


def test_names_of_another_number(yolos: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\nb")
    with pytest.raises(WtoursError, match="knows 5 classes, but there are 2 names"):
        open_detector(f"hf:{yolos}", names=names, device="cpu")


def test_a_model_that_detects_nothing(tmp_path: Path) -> None:
    config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    config.save_pretrained(tmp_path)
    with pytest.raises(WtoursError, match="is a vit, which detects no objects"):
        open_detector(f"hf:{tmp_path}", device="cpu")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WtoursError, match="cannot be loaded"):
        open_detector(f"hf:{tmp_path}", device="cpu")


def test_the_tokens_of_a_name_are_those_that_read_as_it(grounded: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(grounded)
    tokens = name_tokens(tokenizer, list(NAMES), "tiny")
    ids = torch.tensor(tokenizer("cat. a dog. cup.")["input_ids"])
    assert [tokenizer.decode(ids[own]) for own in tokens] == list(NAMES)
    assert (tokens.sum(dim=0) <= 1).all()
    with pytest.raises(WtoursError, match="reads 64 tokens, but the 30 names have"):
        name_tokens(tokenizer, ["cat"] * 30, "tiny")
