import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from dora.errors import DoraError
from dora.eval import found_objects
from dora.eval.dense_tables import discovery_table
from dora.eval.discovery import DiscoveryResult, corloc_scores, evaluate_discovery, jaccard_scores
from dora.eval.found_objects import BoxOverlaps, RegionCounts
from dora.eval.label_maps import write_labels
from dora.eval.loading import evaluated
from tests.dora.eval import dense_data
from tests.dora.eval.dense_networks import ON_CPU, PixelNetwork, pixel_network

SQUARE = (16, 24, 32, 40)
"""Two by two patches."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bright square on dark ground, and the same with a second one that is smaller."""
    boxes = {"one": [SQUARE], "two": [SQUARE, (48, 0, 64, 8)]}
    return dense_data.voc(tmp_path / "data", boxes, size=(64, 64))


def evaluate(folder: Path, **options: object) -> DiscoveryResult:
    return evaluate_discovery(
        pixel_network(), folder, **{"image_px": 64, "computing": ON_CPU, **options}
    )


def test_bright_square_on_dark_ground_is_found_in_all_variants(tmp_path: Path) -> None:
    """Head 1 attends to the 4 bright patches of 64, head 2 to the dark ones, evenly."""
    result = evaluate(dense_data.voc(tmp_path, {"one": [SQUARE]}, size=(64, 64)))
    found = {(one.map, one.mass): one.over_pictures for one in result.jaccard}
    assert found == {
        # The smallest 0.2 of the mean are 24 ground patches of 1/120: 36 stay beside the object.
        ("mean", 0.8): pytest.approx(4 / 40),
        ("mean", 0.6): pytest.approx(4 / 16),
        ("1", 0.8): 1,
        # Three patches of a quarter hold 0.6 of the mass.
        ("1", 0.6): 0.75,
        ("2", 0.8): 0,
        ("2", 0.6): 0,
        ("best", 0.8): 1,
        ("best", 0.6): 0.75,
    }
    assert (result.jaccard[0].map, result.jaccard[0].mass) == ("mean", 0.8)
    corloc = {(one.boxes, one.mass): one.share for one in result.corloc}
    assert corloc["lost", None] == corloc["attention 1", 0.8] == corloc["attention 1", 0.6] == 1
    assert corloc["attention 2", 0.8] == 0
    assert result.corloc[0].boxes == "lost"
    assert result.measured == {"Jaccard": pytest.approx(10), "CorLoc": 100}
    json.dumps(dataclasses.asdict(result))


def test_objects_of_a_picture_count_together_and_void_does_not(folder: Path) -> None:
    path = folder / "VOCdevkit/VOC2012/SegmentationClass/two.png"
    regions = np.array(Image.open(path))
    regions[:8, 48:56] = 255  # half of the smaller square
    write_labels(path, regions)
    result = evaluate(folder, corloc_split="none")
    (head,) = [one for one in result.jaccard if (one.map, one.mass) == ("1", 0.8)]
    # Six bright patches of a sixth: five hold 0.8, the first one in reading order is dropped. It
    # is the void one; of those that count all are found.
    assert head.over_pictures == 1
    assert head.over_pixels == 1
    assert (result.corloc, result.corloc_pictures) == ((), 0)
    assert set(result.measured) == {"Jaccard"}


def test_boxes_are_found_in_pictures_that_do_not_divide_into_patches(tmp_path: Path) -> None:
    boxes = {"inside": [SQUARE], "edge": [(40, 32, 60, 44)]}
    folder = dense_data.voc(tmp_path, boxes, size=(60, 44))
    result = evaluate(folder, jaccard_split="none")
    assert result.corloc[0].share == 1
    assert result.corloc_pictures == 2


def test_box_of_half_the_truth_is_right_and_of_less_wrong(tmp_path: Path) -> None:
    folder = dense_data.voc(tmp_path, {"a": [SQUARE], "b": [SQUARE], "c": [SQUARE]}, size=(64, 64))
    for name, bottom in (("a", 56), ("b", 57), ("c", 40)):
        path = folder / f"VOCdevkit/VOC2012/Annotations/{name}.xml"
        text = path.read_text().replace("<ymax>40<", f"<ymax>{bottom}<")
        path.write_text(text)
    # The square is 16 px high, the true boxes 32 (half), 33 and 16.
    assert evaluate(folder, jaccard_split="none").corloc[0].share == pytest.approx(2 / 3)


def test_scores_over_pictures_and_over_pixels_differ_as_they_should() -> None:
    variants = [(name, mass) for mass in (0.8, 0.6) for name in ("mean", "1", "2")]
    small = RegionCounts(name="small", counts=dict.fromkeys(variants, (1, 1)))
    large = RegionCounts(name="large", counts=dict.fromkeys(variants, (0, 9)))
    large.counts["2", 0.8] = (9, 9)
    scores = jaccard_scores([small, large])
    assert [(one.map, one.mass) for one in scores] == [
        ("mean", 0.8),
        ("mean", 0.6),
        ("1", 0.8),
        ("1", 0.6),
        ("2", 0.8),
        ("2", 0.6),
        ("best", 0.8),
        ("best", 0.6),
    ]
    assert (scores[0].over_pictures, scores[0].over_pixels) == (0.5, 0.1)
    assert (scores[-2].over_pictures, scores[-2].over_pixels) == (1, None)


def test_share_counts_overlaps_from_one_half_on() -> None:
    boxes = [
        BoxOverlaps(name=str(lost), lost=lost, attention={("mean", 0.8): 1 - lost})
        for lost in (0.0, 0.49, 0.5, 1.0)
    ]
    assert [one.share for one in corloc_scores(boxes)] == [0.5, 0.75]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"jaccard_split": "none", "corloc_split": "none"}, "neither masks nor boxes"),
        ({"k_patches": 0}, "among 0 patches"),
        ({"image_px": 65}, "65 px do not divide"),
        ({"jaccard_split": "train"}, r"Segmentation/train\.txt is missing"),
    ],
)
def test_option_out_of_its_range_is_refused(folder: Path, options: dict, fault: str) -> None:
    with pytest.raises(DoraError, match=fault):
        evaluate(folder, **options)


def test_network_without_attention_is_refused(folder: Path) -> None:
    network = evaluated(PixelNetwork(heads=None), "pixels")
    with pytest.raises(DoraError, match="no attention"):
        evaluate_discovery(network, folder, image_px=64, computing=ON_CPU)


def test_damaged_picture_and_misfitting_regions_are_named(folder: Path) -> None:
    root = folder / "VOCdevkit/VOC2012"
    write_labels(root / "SegmentationClass/two.png", np.zeros((10, 10), np.uint8))
    with pytest.raises(DoraError, match=r"two\.png is 10x10, its picture 64x64"):
        evaluate(folder)
    (root / "JPEGImages/one.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DoraError, match=r"one\.jpg is no whole picture"):
        evaluate(folder)


def test_pictures_and_table_show_best_and_worst(folder: Path, tmp_path: Path) -> None:
    result = evaluate(folder, pictures=tmp_path / "pictures")
    for name in ("jaccard.png", "corloc.png"):
        with Image.open(tmp_path / "pictures" / name) as sheet:
            assert sheet.height > 400
    console = Console(width=120, record=True)
    console.print(discovery_table(result))
    text = console.export_text()
    assert [text.count(name) for name in ("Jaccard", "CorLoc", "lost")] == [8, 7, 1]


def test_kept_pictures_without_what_belongs_to_them_are_named(folder: Path, tmp_path: Path) -> None:
    kept = dataclasses.replace(ON_CPU, cache=tmp_path / "cache")
    evaluate(folder, computing=kept)
    path = next((tmp_path / "cache").rglob("*.json"))
    whole = json.loads(path.read_text())
    for pictures in ([{"name": "a"}], [{"name": "a", "counts": [[1]], "attention": [[1]]}], 3):
        path.write_text(json.dumps({**whole, "result": {"pictures": pictures}}))
        with pytest.raises(DoraError, match=r"\.json is damaged") as caught:
            evaluate(folder, computing=kept)
        assert "remove the file" in caught.value.remedy


def test_what_the_paper_leaves_open_is_told(folder: Path) -> None:
    notes = evaluate(folder, jaccard_split="trainval").notes
    assert "0.8 of the mass of the heads' mean" in notes[0]
    assert "this one of trainval" in notes[1]
    assert "LOST on trainval" in notes[2]


def test_finished_pictures_are_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped by a damaged picture in the second part, it goes on there when mended."""
    monkeypatch.setattr(found_objects, "_PART", 2)
    squares = {str(side): [(8, 8, 8 + side, 8 + side)] for side in (8, 16, 24, 32, 40)}
    folder = dense_data.voc(tmp_path / "data", squares, size=(64, 64))
    expected = evaluate(folder)
    computing = dataclasses.replace(ON_CPU, cache=tmp_path / "cache")
    network = PixelNetwork()
    again = dataclasses.replace(pixel_network(), network=network)

    def measure() -> DiscoveryResult:
        return evaluate_discovery(again, folder, image_px=64, computing=computing)

    third = folder / "VOCdevkit/VOC2012/JPEGImages/24.jpg"
    whole = third.read_bytes()
    third.write_bytes(whole[:100])
    with pytest.raises(DoraError, match=r"24\.jpg is no whole picture"):
        measure()
    assert network.calls == 2
    third.write_bytes(whole)
    assert measure() == expected
    assert network.calls == 2 + 3 + 5
    assert measure() == expected
    assert network.calls == 10
    # Another setting of LOST is another measure of boxes, and none of masks.
    evaluate_discovery(again, folder, image_px=64, k_patches=7, computing=computing)
    assert network.calls == 15
