"""`dora eval discovery` and `dora eval davis` as typed, and on real recordings."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dora.cli import main
from dora.eval.davis_folder import open_davis, read_truth
from dora.eval.pictures import open_picture
from dora.eval.propagation import PropagationConfig
from dora.eval.region_scores import boundary_score, region_score
from dora.eval.video_masks import (
    VideoMaskConfig,
    fitted_size,
    follow_objects,
    label_patches,
    label_pixels,
)
from tests.dora.eval import dense_data
from tests.dora.eval.dense_networks import ON_CPU, PATCH_PX, PixelNetwork
from tests.references import davis_scores as plain_scores
from tests.references import propagation as plain

Run = Callable[..., tuple[int, str, str]]
WEIGHTS = ["--weights", "random:smoke"]


@pytest.fixture
def run(command: Run) -> Run:
    return partial(command, main)


def test_discovery_leaves_table_record_and_pictures(run: Run, tmp_path: Path) -> None:
    boxes = {"a": [(16, 24, 32, 40)], "b": [(0, 0, 64, 48)]}
    data = dense_data.voc(tmp_path / "data", boxes, size=(64, 48))
    words = ["eval", "discovery", *WEIGHTS, "--data", data, "--image-px", 64]
    status, out, err = run(*words, "--pictures", "pictures", "--out", "record.json")
    assert status == 0, err
    assert "CorLoc: " in out
    assert "LOST on trainval" in err
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["jaccard"][0].keys() == {"map", "mass", "over_pictures", "over_pixels"}
    assert (record["jaccard_split"], record["corloc_split"]) == ("val", "trainval")
    assert set(record["measured"]) == {"Jaccard", "CorLoc"}
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "corloc.png",
        "jaccard.png",
    ]
    status, _, err = run("eval", "discovery", *WEIGHTS, "--data", tmp_path / "pictures")
    assert (status, "VOCtrainval_11-May-2012.tar" in err) == (2, True)


def test_davis_leaves_table_record_and_masks(run: Run, tmp_path: Path) -> None:
    video = dense_data.moving_squares(frames=4, size=(128, 64), step_px=8, side_px=24)
    data = dense_data.davis(tmp_path / "data", {"walk": video})
    words = ["eval", "davis", *WEIGHTS, "--data", data, "--image-px", 64]
    status, out, err = run(*words, "--masks", "masks", "--out", "record.json")
    assert status == 0, err
    assert "DAVIS J: " in out
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["settings"]["propagation"] == {
        "last_frames": 7,
        "top_k": 5,
        "radius": 12,
        "temperature": 0.1,
    }
    assert record["sequences"] == ["walk"]
    assert len(list((tmp_path / "masks" / "walk").iterdir())) == 4
    # Kept: the second time nothing is computed, and the record says the same.
    status, _, err = run(*words, "--masks", "masks", "--out", "again.json")
    assert status == 0, err
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["objects"] == record["objects"]
    status, _, err = run("eval", "davis", *WEIGHTS, "--data", tmp_path / "masks")
    assert (status, "DAVIS-2017-trainval-480p.zip" in err) == (2, True)
    status, _, err = run(*words, "--top-k", 0)
    assert (status, "use 5" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "option"),
    [("discovery", "--pictures"), ("davis", "--pictures"), ("davis", "--masks")],
)
def test_place_for_pictures_that_could_not_be_made_is_named_before_the_work(
    run: Run, tmp_path: Path, name: str, option: str
) -> None:
    """Before weights and data are looked at, which are not there."""
    (tmp_path / "file").write_text("")
    words = ["eval", name, "--weights", "nowhere.pth", "--data", "nowhere"]
    status, out, err = run(*words, option, "file/inner")
    assert (status, out) == (2, "")
    assert f"{option}: file is a file, not a folder" in err
    assert f"name another {option}" in err


@pytest.mark.media
def test_real_masks_equal_those_of_the_dense_version(media: Path) -> None:
    """Six frames of a tennis player: files to masks, scored, against the plain versions."""
    (tennis,) = open_davis(media / "davis", names=["tennis"])
    truth = read_truth(tennis, size=(432, 240))
    config = VideoMaskConfig(image_px=128, propagation=PropagationConfig(last_frames=3, radius=4))
    short = type(tennis)(
        name="tennis", frames=tennis.frames[:6], annotations=tennis.annotations[:6]
    )
    network = PixelNetwork()
    found = list(follow_objects(network, short, truth.labels[0], config=config, computing=ON_CPU))
    size = fitted_size((432, 240), image_px=128, patch_px=PATCH_PX)
    grid = (size[1] // PATCH_PX, size[0] // PATCH_PX)
    features, shares = [], [label_patches(truth.labels[0], grid[::-1])]
    for number, path in enumerate(short.frames):
        pixels = torch.from_numpy(np.array(open_picture(path))).permute(2, 0, 1)[None].float()
        resized = torch.nn.functional.interpolate(pixels, size=size[::-1], mode="bilinear").round()
        centre, spread = torch.tensor([[0.485, 0.456, 0.406], [0.228, 0.224, 0.225]])
        images = (resized / 255 - centre[:, None, None]) / spread[:, None, None]
        features.append(network.blocks(images, n_last=1).patches[0, 0].view(*grid, -1))
        if number:
            looked = [0, *range(max(1, number - 3), number)]
            shares.append(
                plain.propagate(
                    features[-1],
                    torch.stack([features[i] for i in looked]),
                    torch.stack([shares[i] for i in looked]),
                    top_k=5,
                    radius=4,
                    temperature=0.1,
                )
            )
            expected = label_pixels(shares[-1], (432, 240), patch_px=PATCH_PX)
            assert (found[number] != expected).mean() < 1e-4
    true, mask = truth.labels[5] == 1, found[5] == 1
    nothing = np.zeros(true.shape, dtype=bool)
    assert region_score(true, mask) == pytest.approx(plain_scores.region(true, mask, nothing))
    assert boundary_score(true, mask) == pytest.approx(plain_scores.boundary(true, mask, nothing))


@pytest.mark.media
def test_masks_written_are_read_back_by_pillow_alone(media: Path, run: Run, tmp_path: Path) -> None:
    words = ["eval", "davis", *WEIGHTS, "--data", media / "davis", "--sequence", "tennis"]
    status, _, err = run(*words, "--image-px", 64, "--masks", "masks", "--cache", "none")
    assert status == 0, err
    assert "one object each" in err
    written = sorted((tmp_path / "masks" / "tennis").iterdir())
    assert len(written) == 70
    for path in written:
        with Image.open(path) as mask:
            assert (mask.mode, mask.size) == ("P", (432, 240))
            assert set(np.unique(np.array(mask))) <= {0, 1}


def test_suite_has_a_column_for_each_measure(run: Run, tmp_path: Path) -> None:
    data = dense_data.voc(tmp_path / "data", {"a": [(16, 24, 32, 40)]}, size=(64, 48))
    words = ["eval", "suite", *WEIGHTS, "--data", f"discovery={data}", "--out", "suite"]
    status, _, err = run(*words)
    assert status == 0, err
    table = (tmp_path / "suite" / "table.md").read_text()
    assert "| network | Jaccard | CorLoc |" in table, table
