import io
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.shard_making import make_shard_set
from tests.video_making import write_video
from wtours.audit import AuditSettings, audit_shards
from wtours.audit_boxes import CoveredBoxes, drawn, hidden_share, lowest, once, spread
from wtours.audit_sheet import TILE_PX, Tile, draw_place, draw_sheet, page_text
from wtours.errors import WtoursError
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import Box, open_shards
from wtours.stages.blur import BlurSettings


def covered(*found: tuple[float, float, float, str]) -> CoveredBoxes:
    """Return boxes of 10 px from (time, x, score, kind), one picture each."""
    time_s, x, scores, kinds = zip(*found, strict=True)
    left = np.asarray(x, dtype=float)
    return CoveredBoxes(
        rows=np.arange(len(found)),
        time_s=np.asarray(time_s, dtype=float),
        keys=[f"walk-{n:08d}" for n in range(len(found))],
        parents=np.arange(len(found)),
        corners=np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1),
        scores=np.asarray(scores, dtype=float),
        kinds=list(kinds),
    )


def test_the_lowest_scores_come_first_each_thing_once_in_five_seconds_and_no_guards() -> None:
    boxes = covered(
        (0.0, 50, 0.9, "face"),
        (0.1, 50, 0.3, "face"),
        (0.2, 51, 0.2, "face"),
        (0.2, 90, 0.4, "plate"),
        (6.0, 50, 0.5, "face"),
        (2.1, 50, 0.1, "face-guard"),
    )
    assert lowest(boxes, 10) == [2, 3, 4]
    assert lowest(boxes, 2) == [2, 3]
    assert lowest(boxes, 0) == []
    assert once(np.zeros(0), np.zeros((0, 4)), 5) == []


def test_boxes_are_drawn_once_each_the_same_for_a_seed() -> None:
    boxes = covered(*[(n, 0, 0.5, "face") for n in range(50)])
    first = drawn(boxes, 10, seed=0, without=[3, 4])
    assert first == drawn(boxes, 10, seed=0, without=[3, 4]) != drawn(boxes, 10, seed=1, without=[])
    assert len(set(first)) == 10
    assert not {3, 4} & set(first)
    assert drawn(boxes, 99, seed=0, without=[3]) == [n for n in range(50) if n != 3]


def test_pictures_are_evenly_spread() -> None:
    rows = np.arange(0, 200, 2)
    assert spread(rows, 4) == [24, 74, 124, 174]
    assert spread(rows, 100) == spread(rows, 999) == rows.tolist()
    assert spread(rows, 0) == []


def test_hidden_is_what_lies_under_the_ellipses() -> None:
    cover = Box(x0=40, y0=40, x1=60, y1=60, score=0.9)
    assert hidden_share(cover, [cover], margin=1.3) == 1
    assert hidden_share(cover, [], margin=1.3) == 0
    beside = Box(x0=80, y0=40, x1=90, y1=60, score=0.9)
    assert hidden_share(beside, [cover], margin=1.3) == 0
    half = Box(x0=50, y0=45, x1=82, y1=55, score=0.9)
    fine = np.mgrid[45:55:200j, 50:82:400j]
    plain = (((fine - 50) / 16) ** 2).sum(axis=0) <= 1
    assert hidden_share(half, [cover], margin=1.3) == pytest.approx(plain.mean(), abs=0.06)
    flat = Box(x0=50, y0=40, x1=50, y1=60, score=0.9)
    assert hidden_share(cover, [flat], margin=1.3) == 0


def test_boxes_of_a_set_are_read_once_a_picture(tmp_path: Path) -> None:
    """Kept at 3 a second of 2, so that every other picture has two rows."""
    folder = make_shard_set(tmp_path / "walk", frames=20, rate=Fraction(2), fps=Fraction(3))
    (shards,) = open_shards(folder)
    boxes, rows = CoveredBoxes.read(shards), shards.table().to_pylist()
    keys = {row["key"] for row in rows}
    assert len(boxes.rows) == len(keys) < len(rows)
    plain = {row["key"]: row["boxes"] for row in rows}
    assert len(boxes.parents) == sum(map(len, plain.values())) > 0
    for number, row in enumerate(boxes.parents):
        at, box = boxes.at(number)
        assert (at, [vars(box)]) == (row, plain[rows[row]["key"]])
        assert boxes.of_row(at) == [box]


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same face in two pictures, covered in one set and left as it is in the other."""
    folder = tmp_path_factory.mktemp("sets")
    picture = data.astronaut()[:256, 96:352]
    for name, blur in (("covered", BlurSettings()), ("open", None)):
        path = write_video(folder / f"{name}.mkv", [picture] * 2, rate=1)
        shard_videos([path], out=folder / "shards", settings=ShardSettings(blur=blur))
    return folder / "shards"


def test_a_face_is_seen_at_the_second_look_only_where_nothing_covers_it(
    two_sets: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    settings = AuditSettings(look=BlurSettings(threshold=0.5))
    hidden, shown = audit_shards(
        [two_sets],
        out=tmp_path / "audit",
        settings=settings,
        progress=lambda *said: told.append(said),
    )
    assert (hidden.name, hidden.blurred, hidden.pictures, hidden.boxes) == ("covered", True, 2, 2)
    assert (hidden.looked_at, hidden.seen, hidden.guards) == (2, 0, 0)
    assert [path.name for path in hidden.sheets] == ["covered-boxes.jpg"]
    assert (shown.name, shown.blurred, shown.boxes, shown.seen) == ("open", False, 0, 2)
    assert [path.name for path in shown.sheets] == ["open-seen.jpg"]
    assert told == [("covered", 1, 2), ("covered", 2, 2), ("open", 1, 2), ("open", 2, 2)]
    files = {path.name for path in (tmp_path / "audit").iterdir()}
    assert files == {"index.html", "covered-boxes.jpg", "open-seen.jpg"}
    page = (tmp_path / "audit" / "index.html").read_text()
    assert set(re.findall(r'src="([^"]+)"', page)) == files - {"index.html"}
    assert "2 boxes covered in 2 pictures" in page
    assert "blurring was off" in page
    for path in (*hidden.sheets, *shown.sheets):
        with Image.open(path) as sheet:
            assert min(sheet.size) > TILE_PX


def test_an_audit_without_a_second_look_needs_no_detector(two_sets: Path, tmp_path: Path) -> None:
    audited = audit_shards([two_sets], out=tmp_path, settings=AuditSettings(pictures=0, boxes=1))
    assert [one.looked_at for one in audited] == [0, 0]
    assert len(audited[0].sheets) == 1
    audit_shards([two_sets], out=tmp_path, settings=AuditSettings(pictures=0, boxes=0))
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"], "no sheet of before"


def test_an_audit_says_what_it_cannot_use(two_sets: Path, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match="no folder of shards"):
        audit_shards([tmp_path / "absent"], out=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(WtoursError, match=r"file cannot be made.*--out"):
        audit_shards([two_sets], out=tmp_path / "file", settings=AuditSettings(pictures=0))
    for parent in ("a", "b"):  # videos of other names in folders of one name
        make_shard_set(tmp_path / parent, frames=4).rename(tmp_path / f"{parent}-set")
        (tmp_path / parent).mkdir()
        (tmp_path / f"{parent}-set").rename(tmp_path / parent / "walk")
    with pytest.raises(WtoursError, match="several sets are called walk"):
        audit_shards([tmp_path / "a", tmp_path / "b"], out=tmp_path / "audit")
    with pytest.raises(WtoursError, match="-1 pictures"):
        AuditSettings(pictures=-1)


def test_a_tile_shows_the_box_where_it_is() -> None:
    picture = np.zeros((100, 200, 3), dtype=np.uint8)
    picture[40:60, 90:130] = 255
    box = Box(x0=90, y0=40, x1=130, y1=60, score=0.9)
    place = np.asarray(draw_place(Tile(picture=picture, box=box, context=2.0, lines=())))
    bright = np.argwhere(place.min(axis=2) > 200) / TILE_PX * 80
    assert bright.min(axis=0) == pytest.approx([30, 20], abs=2)
    assert bright.max(axis=0) == pytest.approx([50, 60], abs=2)


@pytest.mark.parametrize(
    "box",
    [
        Box(x0=0, y0=0, x1=5, y1=5, score=0.2),
        Box(x0=0, y0=0, x1=40, y1=30, score=0.2, kind="plate"),
        Box(x0=38, y0=28, x1=40, y1=30, score=0.2, kind="face-guard"),
        Box(x0=10, y0=10, x1=10, y1=10, score=0.2, kind="other"),
    ],
)
def test_tiles_are_drawn_at_the_border_of_a_small_picture_too(box: Box) -> None:
    picture = np.full((30, 40, 3), 200, dtype=np.uint8)
    tile = Tile(picture=picture, box=box, context=2.5, lines=("walk-00000001" * 9, "0 s"))
    assert draw_place(tile).size == (TILE_PX, TILE_PX)
    sheet = draw_sheet([tile] * 11)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    assert sheet.size[0] > 8 * TILE_PX
    assert sheet.size[1] > 2 * TILE_PX


def test_names_cannot_break_the_page() -> None:
    page = page_text([("<b>&", ("a < b",), {'"x".jpg': "<i>"})])
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert 'src="&quot;x&quot;.jpg"' in page
