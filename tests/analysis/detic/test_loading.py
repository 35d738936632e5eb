import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18

from analysis.detectors.detic.backbones.resnet import ResNetSizes
from analysis.detectors.detic.backbones.swin import SwinSizes
from analysis.detectors.detic.loading import load_detic, sizes_of
from analysis.detectors.detic.model import DeticModel, DeticSizes
from analysis.detectors.detic.vocabulary import Vocabulary
from tests.references import detic_recipe
from wtours import WtoursError

STAGES = [f"roi_heads.box_predictor.{stage}.cls_score" for stage in range(3)]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return detic_recipe.state_of(detic_recipe.TINY, seed=0)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        torch.save(content, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return write


def with_classifier(state: dict[str, Tensor], classes: int, width: int = 64) -> dict[str, Tensor]:
    """As in the official files: three copies, the last column zero, of length one."""
    matrix = torch.randn(width, classes + 1, generator=torch.Generator().manual_seed(0))
    matrix /= matrix.norm(dim=0)
    matrix[:, -1] = 0
    return {**state, **{f"{stage}.zs_weight": matrix for stage in STAGES}}


Save = Callable[[object], Path]


@pytest.mark.parametrize("sizes", [detic_recipe.TINY, detic_recipe.TINY_SWIN, DeticSizes()])
def test_sizes_and_backbone_are_told_from_the_weights(sizes: DeticSizes) -> None:
    with torch.device("meta"):
        assert sizes_of(DeticModel(sizes).state_dict()) == sizes


@pytest.mark.parametrize(
    ("backbone", "entries"),
    [
        # Published files have these beside: tables of positions of 24 blocks, or counters of 53
        # batch norms and a classifier of the pretraining; and three times the zero-shot classes.
        (SwinSizes(), 441 - 24 - 3),
        (ResNetSizes(), 406 - 53 - 2 - 3),
    ],
)
def test_official_models_have_as_many_entries_as_published(
    backbone: SwinSizes | ResNetSizes, entries: int
) -> None:
    with torch.device("meta"):
        model = DeticModel(DeticSizes(backbone=backbone))
    assert len(model.state_dict()) == entries
    millions = sum(value.numel() for value in model.parameters()) / 1e6
    assert millions == pytest.approx(141.6 if entries == 414 else 78.8, abs=0.1)


def test_arrays_in_place_of_tensors_are_read(state: dict[str, Tensor], save: Save) -> None:
    arrays = {key: value.numpy() for key, value in with_classifier(state, 5).items()}
    assert len(load_detic(save({"model": arrays})).names) == 5


def test_half_precision_weights_become_float32(state: dict[str, Tensor], save: Save) -> None:
    halves = {key: value.half() for key, value in with_classifier(state, 5).items()}
    detector = load_detic(save(halves))
    assert {value.dtype for value in detector.model.state_dict().values()} == {torch.float32}
    assert detector.classifier.dtype == torch.float32


def test_keys_without_use_are_passed_over(state: dict[str, Tensor], save: Save) -> None:
    unused = {
        "pixel_mean": torch.zeros(3, 1, 1),
        "pixel_std": torch.zeros(3, 1, 1),
        "backbone.bottom_up.base.fc.weight": torch.zeros(2, 2),
        "backbone.bottom_up.base.fc.bias": torch.zeros(2),
        "backbone.bottom_up.base.bn1.num_batches_tracked": torch.tensor(3),
        "backbone.bottom_up.layers.0.blocks.0.attn.relative_position_index": torch.zeros(49, 49),
        "roi_heads.box_predictor.0.freq_weight": torch.zeros(1203),
    }
    assert len(load_detic(save({"model": {**with_classifier(state, 5), **unused}})).names) == 5


@pytest.mark.parametrize(
    ("classes", "names"),
    [(4, ("class 0", "class 3")), (1203, ("aerosol_can", "zucchini"))],
)
def test_classes_of_a_checkpoint_have_checked_names_or_numbers(
    classes: int, names: tuple[str, str], state: dict[str, Tensor], save: Save
) -> None:
    detector = load_detic(save({"model": with_classifier(state, classes)}))
    assert (detector.names[0], detector.names[-1]) == names
    assert detector.classifier.shape == (64, classes)


def test_names_may_be_given_to_other_classes(state: dict[str, Tensor], save: Save) -> None:
    path = save({"model": with_classifier(state, 2)})
    assert load_detic(path, vocabulary=Vocabulary(names=("cup", "can"))).names == ("cup", "can")
    with pytest.raises(WtoursError, match="classifier of 2 classes, but the vocabulary has 1"):
        load_detic(path, vocabulary=Vocabulary(names=("cup",)))


def test_wrong_names_for_the_classes_of_lvis_are_refused(
    state: dict[str, Tensor], save: Save
) -> None:
    wrong = Vocabulary(names=tuple(f"thing {i}" for i in range(1203)))
    with pytest.raises(WtoursError, match="not those of LVIS v1"):
        load_detic(save({"model": with_classifier(state, 1203)}), vocabulary=wrong)


def test_embeddings_of_another_length_are_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(WtoursError, match="embeddings of length 512"):
        load_detic(tiny_checkpoint, vocabulary=detic_recipe.vocabulary(512, seed=0))


def test_a_checkpoint_without_classifier_needs_a_vocabulary(tiny_checkpoint: Path) -> None:
    with pytest.raises(WtoursError, match="carries no classifier"):
        load_detic(tiny_checkpoint)


def test_classifiers_that_differ_are_refused(state: dict[str, Tensor], save: Save) -> None:
    given = with_classifier(state, 5)
    given[f"{STAGES[2]}.zs_weight"] = given[f"{STAGES[2]}.zs_weight"].flip(1)
    with pytest.raises(WtoursError, match=r"three stages of .* differ"):
        load_detic(save({"model": given}))


def test_a_classifier_without_background_is_refused(state: dict[str, Tensor], save: Save) -> None:
    given = {**state, **{f"{stage}.zs_weight": torch.ones(64, 6) for stage in STAGES}}
    with pytest.raises(WtoursError, match="no last column of zeros"):
        load_detic(save({"model": given}))


def test_keys_of_another_model_are_named(save: Save) -> None:
    path = save({"model": resnet18().state_dict()})
    with pytest.raises(WtoursError, match=r"another model") as refused:
        load_detic(path)
    assert "414 keys are missing (backbone.bottom_up.layers.0.blocks.0." in refused.value.message
    assert "and 411 more); 102 keys are surplus (bn1.bias, bn1." in refused.value.message
    assert "and 99 more)" in refused.value.message
    assert refused.value.message.count(", ") == 4  # three keys of each
    assert "Detic_LCOCOI21k_CLIP_SwinB" in refused.value.remedy


def test_one_missing_key_is_named(state: dict[str, Tensor], save: Save) -> None:
    given = {key: value for key, value in state.items() if key != "backbone.top_block.p6.bias"}
    with pytest.raises(
        WtoursError, match=r"1 key is missing \(backbone\.top_block\.p6\.bias\); no"
    ):
        load_detic(save({"model": given}), vocabulary=detic_recipe.vocabulary(64, seed=0))


def test_a_weight_of_another_shape_is_named(state: dict[str, Tensor], save: Save) -> None:
    given = {**state, "roi_heads.box_head.1.fc2.bias": torch.zeros(65)}
    with pytest.raises(WtoursError, match=r"of another shape \(roi_heads\.box_head\.1\.fc2\.bias"):
        load_detic(save({"model": given}), vocabulary=detic_recipe.vocabulary(64, seed=0))


@pytest.mark.parametrize("key", ["fpn_output3.weight", "fpn_lateral4.weight", "fpn_output5.bias"])
@pytest.mark.parametrize("wrong", [torch.zeros(33, 5), torch.zeros(0), torch.tensor(1.0)])
def test_sizes_that_fit_no_network_are_refused(
    key: str, wrong: Tensor, state: dict[str, Tensor], save: Save
) -> None:
    with pytest.raises(WtoursError, match=r"weights\.pth"):
        load_detic(
            save({"model": {**state, f"backbone.{key}": wrong}}),
            vocabulary=detic_recipe.vocabulary(64, seed=0),
        )


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made by a checkpoint",)


def test_a_checkpoint_cannot_run_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": state, "extra": Hostile()}, "new.pth")
    torch.save(
        {"model": state, "extra": Hostile()}, "old.pth", _use_new_zipfile_serialization=False
    )
    Path("plain.pth").write_bytes(pickle.dumps({"model": Hostile()}))
    for name in ("new.pth", "old.pth", "plain.pth"):
        with pytest.raises(WtoursError, match=rf"{name}"):
            load_detic(Path(name))
    assert not Path("made by a checkpoint").exists()


def test_arrays_of_objects_are_refused(save: Save) -> None:
    with pytest.raises(WtoursError, match=r"weights\.pth"):
        load_detic(save({"model": {"a": np.array([{}, []], dtype=object)}}))


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": "text"}}, {1: torch.ones(1)}, "text"])
def test_what_holds_no_weights_is_refused(content: object, save: Save) -> None:
    with pytest.raises(WtoursError, match=r"weights\.pth holds"):
        load_detic(save(content))


@pytest.mark.parametrize("change", ["cut", "flip", "empty", "text"])
def test_a_damaged_file_is_refused(change: str, tmp_path: Path, tiny_checkpoint: Path) -> None:
    content = tiny_checkpoint.read_bytes()
    middle = len(content) // 2
    damaged = {
        "cut": content[:middle],
        "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "text": b"<html>not found</html>",
    }
    (tmp_path / "damaged.pth").write_bytes(damaged[change])
    with pytest.raises(WtoursError, match=r"damaged\.pth (is truncated|was altered)"):
        load_detic(tmp_path / "damaged.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(WtoursError, match="is not a file"):
            load_detic(path)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta"])
def test_a_device_that_is_not_there_is_refused(device: str, tiny_checkpoint: Path) -> None:
    with pytest.raises(WtoursError, match=device):
        load_detic(tiny_checkpoint, vocabulary=detic_recipe.vocabulary(64, seed=0), device=device)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_no_score_can_have_is_refused(
    threshold: float, tiny_checkpoint: Path
) -> None:
    with pytest.raises(WtoursError, match="threshold is"):
        load_detic(tiny_checkpoint, threshold=threshold)


def test_another_precision_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(WtoursError, match="float64"):
        load_detic(tiny_checkpoint, dtype="float64")  # type: ignore[arg-type]
