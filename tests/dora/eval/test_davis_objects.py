"""Several objects that cross and leave: known masks and scores, in what the published tool takes.

That tool (davis2017-evaluation) reads a PNG for each true mask but the first and the last, by its
name, as numbers by Pillow; takes the highest number of them all for how many objects were followed;
and stops if a mask is of another size, or there are more objects than in the first true mask. Where
there are fewer, versions before objects were padded stop; later ones pad them with empty masks.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dora.eval.davis import DavisResult, evaluate_davis
from dora.eval.davis_folder import Truth
from dora.eval.davis_scores import score_sequence
from dora.eval.propagation import PropagationConfig
from dora.eval.video_masks import VideoMaskConfig, label_patches, label_pixels
from tests.dora.eval import dense_data
from tests.dora.eval.dense_networks import ON_CPU, pixel_network
from tests.references import davis_scores as plain

NEAREST = VideoMaskConfig(
    image_px=64, propagation=PropagationConfig(top_k=1, temperature=0.01, radius=12)
)
PUBLISHED = (
    (
        (0.9675925925925926, 1.0, -0.01388888888888884),
        (0.9858902575587907, 1.0, -0.010750279955207),
    ),
    (
        (0.9490740740740741, 1.0, 0.01388888888888895),
        (0.98410802419761, 1.0, -0.008076929913436115),
    ),
    ((0.9453125, 1.0, -0.09375), (0.9805667562724013, 1.0, -0.032258064516129004)),
)
"""Mean, recall and decay of J and of F by object: the figures of the functions of that tool at its
commit 30b698a (J, F, mean, recall, decay), of the masks written here."""
PALETTE = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    videos = {"crossing": dense_data.crossing_squares()}
    return dense_data.davis(tmp_path_factory.mktemp("davis"), videos)


@pytest.fixture(scope="module")
def followed(folder: Path) -> DavisResult:
    return evaluate_davis(
        pixel_network(), folder, config=NEAREST, masks=folder / "masks", computing=ON_CPU
    )


def read_as_published(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """True and found masks of scored frames as the published tool reads them, by true names."""
    names = sorted((folder / "DAVIS" / "Annotations" / "480p" / "crossing").glob("*.png"))[1:-1]
    masks = folder / "masks" / "crossing"
    return (
        [np.array(Image.open(path)) for path in names],
        [np.array(Image.open(masks / path.name)) for path in names],
    )


def test_objects_keep_their_numbers_where_they_cross_and_leave(
    folder: Path, followed: DavisResult
) -> None:
    """Found are the true masks at the grain of patches: bilinear shares round corners off."""
    true, found = read_as_published(folder)
    assert len(true) == 6
    for truth, mask in zip(true, found, strict=True):
        expected = label_pixels(label_patches(truth, (16, 8)), (128, 64), patch_px=8)
        assert np.array_equal(mask, expected)
    assert [set(np.unique(mask)) for mask in found] == [{0, 1, 2, 3}] * 4 + [{0, 1, 2}] * 2
    assert [one.number for one in followed.objects] == [1, 2, 3]
    assert min(one.j.mean for one in followed.objects) > 0.93
    # Where both masks are empty, J and F are 1.
    assert all(measure.recall == 1 for one in followed.objects for measure in (one.j, one.f))


def test_scores_are_those_of_the_written_masks_as_the_published_tool_reads_them(
    folder: Path, followed: DavisResult
) -> None:
    true, found = read_as_published(folder)
    nothing = np.zeros((64, 128), dtype=bool)
    for one in followed.objects:
        for measure, over_time in ((plain.region, one.j), (plain.boundary, one.f)):
            values = [
                measure(truth == one.number, mask == one.number, nothing)
                for truth, mask in zip(true, found, strict=True)
            ]
            summary = (over_time.mean, over_time.recall, over_time.decay)
            assert summary == pytest.approx(plain.summary(values))


def test_scores_are_the_published_tools_figures(followed: DavisResult) -> None:
    assert len(followed.objects) == len(PUBLISHED)
    for one, figures in zip(followed.objects, PUBLISHED, strict=True):
        for over_time, figure in zip((one.j, one.f), figures, strict=True):
            found = (over_time.mean, over_time.recall, over_time.decay)
            assert found == pytest.approx(figure, abs=1e-12)


def test_masks_have_what_the_published_tool_asks_for(folder: Path, followed: DavisResult) -> None:
    true, found = read_as_published(folder)
    written = sorted(path.name for path in (folder / "masks" / "crossing").iterdir())
    assert written == [f"{index:05d}.png" for index in range(8)]
    assert max(int(mask.max()) for mask in found) == int(true[0].max()) == 3
    for truth, mask in zip(true, found, strict=True):
        assert (mask.shape, mask.dtype) == (truth.shape, np.uint8)
    with Image.open(folder / "masks" / "crossing" / "00003.png") as picture:
        assert picture.mode == "P"
        palette = np.array(picture.getpalette()).reshape(-1, 3)
        assert [tuple(colour) for colour in palette[:4].tolist()] == PALETTE
    assert not any("is in none" in note for note in followed.notes)


def test_last_object_that_is_never_found_is_told(folder: Path, tmp_path: Path) -> None:
    """The published tool takes such masks for those of fewer objects; old versions stop."""
    pictures, labels = dense_data.crossing_squares()
    truth = Truth(labels=tuple(labels), objects=3, single=False)
    lost = [labels[0], *(np.where(label == 3, 0, label).astype(np.uint8) for label in labels[1:])]
    score = score_sequence("crossing", truth, lost)
    assert score.last_found == 2
    # As that tool has it with the third padded: it is there in four of six frames, gone in two.
    for over_time in (score.objects[2].j, score.objects[2].f):
        assert (over_time.mean, over_time.recall, over_time.decay) == (1 / 3, 1 / 3, -1.0)
    assert score_sequence("crossing", truth, labels).last_found == 3
    grey = [pictures[0], *(np.full_like(picture, 20) for picture in pictures[1:])]
    data = dense_data.davis(tmp_path, {"gone": (grey, labels)})
    result = evaluate_davis(pixel_network(), data, config=NEAREST, computing=ON_CPU)
    (note,) = (note for note in result.notes if "the last object of gone is in none" in note)
    assert note.endswith("later ones count the object as never found, as we do")
