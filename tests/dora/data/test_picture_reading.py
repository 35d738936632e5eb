"""Single pictures in any format become first crops; damaged ones are refused or passed over."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dora.config import AugmentConfig, ViewConfig
from dora.data.crops import resize_first
from dora.data.picture_folder import open_picture_folder
from dora.data.picture_reading import PictureReader
from dora.data.places import ClipPlace
from dora.data.reading import ClipReader, DrawnClip, OnBadFrame
from dora.errors import DoraError

AUGMENT = AugmentConfig(
    first_px=32,
    global_views=(ViewConfig(scale=(0.4, 1.0), px=32),),
    local_view=ViewConfig(scale=(0.05, 0.4), px=16),
    local_crops=2,
)


def smooth(number: int, *, height: int = 90, width: int = 120) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def place(path: Path, *, row: int = 0, position: int = 7) -> ClipPlace:
    folder = open_picture_folder(path.parent)
    frame = folder.place(folder.names.index(path.name))
    return ClipPlace(position=position, set_number=0, rows=(row,), frames=(frame,))


def read(path: Path, on_bad_frame: OnBadFrame = "error") -> DrawnClip:
    return PictureReader(AUGMENT, seed=0, on_bad_frame=on_bad_frame).read(place(path))


def crop_of(pixels: np.ndarray, clip: DrawnClip) -> torch.Tensor:
    """The first crop, by slices of an (H, W, 3) picture that is small enough to stay as it is."""
    top, left, height, width = clip.draws.first_box.tolist()
    return resize_first(pixels[top : top + height, left : left + width], px=32)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg", "lies.jpg"])
def test_every_format_gives_the_crop_of_its_own_pixels(tmp_path: Path, name: str) -> None:
    """The content counts and not the name, as in ImageNet, where one PNG is called .JPEG."""
    picture = smooth(1, height=45, width=60)
    kind = {"a.png": "PNG", "a.webp": "WEBP", "a.jpg": "JPEG", "lies.jpg": "PNG"}[name]
    picture.save(tmp_path / name, kind, **({"lossless": True} if kind == "WEBP" else {}))
    clip = read(tmp_path / name)
    assert clip.first.shape == (1, 3, 32, 32)
    expected = np.array(Image.open(tmp_path / name).convert("RGB"))
    assert torch.equal(clip.first, crop_of(expected, clip))


def test_jpegs_are_read_as_those_of_shards(tmp_path: Path) -> None:
    smooth(1, height=400, width=300).save(tmp_path / "a.jpg", quality=95)
    where = place(tmp_path / "a.jpg")
    theirs = ClipReader(AUGMENT, seed=0).read(where)
    ours = PictureReader(AUGMENT, seed=0).read(where)
    assert torch.equal(ours.first, theirs.first)
    assert np.array_equal(ours.draws.rows(), theirs.draws.rows())


def test_large_pictures_look_alike_in_every_format(tmp_path: Path) -> None:
    """Pillow's means over squares and the JPEG decoder's scaling differ by a few levels."""
    picture = smooth(2, height=512, width=640)
    picture.save(tmp_path / "a.jpg", quality=98, subsampling=0)
    picture.save(tmp_path / "b.png")
    first, second = read(tmp_path / "a.jpg"), read(tmp_path / "b.png")
    assert (first.first.float() - second.first.float()).abs().max() <= 6


def saved(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def sixteen_bits() -> Image.Image:
    levels = np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype(np.uint16)
    return Image.fromarray(levels)


ODD = {
    "grey.jpg": (lambda: saved(smooth(3).convert("L"), "JPEG"), None),
    "cmyk.jpg": (lambda: saved(smooth(3).convert("CMYK"), "JPEG"), None),
    "palette.png": (lambda: saved(smooth(3).convert("P"), "PNG"), None),
    "alpha.png": (lambda: saved(smooth(3).convert("RGBA"), "PNG"), None),
    "one.png": (lambda: saved(smooth(3).resize((1, 1)), "PNG"), None),
    "deep.png": (lambda: saved(sixteen_bits(), "PNG"), (0, 255)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_colours_and_sizes_are_read(tmp_path: Path, name: str) -> None:
    make, span = ODD[name]
    (tmp_path / name).write_bytes(make())
    clip = read(tmp_path / name)
    assert clip.first.shape == (1, 3, 32, 32)
    if span is None:
        with Image.open(tmp_path / name) as picture:
            pixels = np.array(picture.convert("RGB"))
        difference = (clip.first.int() - shrunk_crop(pixels, clip).int()).abs()
        assert difference.max() <= 12
    else:  # 16 bits are not cut off at 255
        assert clip.first.unique().numel() > 100


def shrunk_crop(pixels: np.ndarray, clip: DrawnClip) -> torch.Tensor:
    """The first crop with the crop's box averaged down as far as the reader does."""
    box = clip.draws.first_box
    shrink = next(n for n in (8, 4, 2, 1) if n == 1 or min(box[2:].tolist()) // n >= 32)
    small = np.array(Image.fromarray(pixels).reduce(shrink))
    top, left, height, width = (int(edge) for edge in box)
    half = shrink // 2
    rows = slice((top + half) // shrink, (top + height + half) // shrink)
    columns = slice((left + half) // shrink, (left + width + half) // shrink)
    return resize_first(small[rows, columns], px=32)


def spoilt(kind: str) -> bytes:
    whole = saved(smooth(4), "PNG" if "png" in kind else "JPEG")
    return {
        "half a jpeg": whole[: len(whole) // 2],
        "half a png": whole[: len(whole) // 2],
        "head of a jpeg": whole[:10],
        "empty": b"",
        "no picture": b"nothing that could be shown",
    }[kind]


DAMAGE = ["half a jpeg", "half a png", "head of a jpeg", "empty", "no picture", "gone"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_picture_is_an_error_or_the_next_takes_its_place(
    tmp_path: Path, damage: str
) -> None:
    for name in ("a", "c", "d"):
        smooth(ord(name)).save(tmp_path / f"{name}.png")
    path = tmp_path / "b.png"
    path.write_bytes(b"" if damage == "gone" else spoilt(damage))
    where = place(path, row=1)
    if damage == "gone":
        path.unlink()
    with pytest.raises(DoraError) as fault:
        PictureReader(AUGMENT, seed=0).read(where)
    assert fault.value.message.startswith(str(path))
    assert "data.on_bad_frame=skip" in fault.value.remedy
    clip = PictureReader(AUGMENT, seed=0, on_bad_frame="skip").read(where)
    assert [(each.row, str(path) in each.reason) for each in clip.replaced] == [(1, True)]
    instead = read(tmp_path / "c.png")
    assert torch.equal(clip.first, instead.first)


def test_after_the_last_picture_comes_the_first(tmp_path: Path) -> None:
    smooth(1).save(tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        (tmp_path / name).touch()
    first = read(tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        clip = read(tmp_path / name, "skip")
        assert torch.equal(clip.first, first.first)


def test_a_folder_without_a_good_picture_is_an_error(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DoraError, match=f"no picture of {tmp_path} can be read"):
        read(tmp_path / "a.png", "skip")


def test_a_picture_smaller_than_a_plain_first_crop_is_named(tmp_path: Path) -> None:
    smooth(1, height=20, width=50).save(tmp_path / "a.png")
    plain = AugmentConfig(
        first_crop="plain",
        first_px=32,
        global_views=AUGMENT.global_views,
        local_view=AUGMENT.local_view,
    )
    with pytest.raises(DoraError, match=r"a\.png: a picture of 50x20 px is smaller") as fault:
        PictureReader(plain, seed=0).read(place(tmp_path / "a.png"))
    assert "augment.first_crop to resized" in fault.value.remedy


@pytest.mark.media
def test_photographs_are_read(media: Path) -> None:
    """Of COCO, in many sizes; each a whole crop, and none of one colour."""
    folder = open_picture_folder(media / "coco_val128")
    assert len(folder.names) == 128
    reader = PictureReader(AUGMENT, seed=0)
    for row in range(0, 128, 8):
        clip = reader.read(
            ClipPlace(position=row, set_number=0, rows=(row,), frames=(folder.place(row),))
        )
        assert clip.first.float().std() > 5
