"""Pictures for the sample walk, made from the photographs that scikit-image's wheel carries.

Each function returns an image (H, W, 4) uint8 RGBA, premultiplied by alpha, at a stated number of
pixels per metre. The outlines of cut-out objects were traced by hand on the photographs, in their
pixels.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from wtours.errors import WtoursError

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

ASTRONAUT_FACE: Box = (174, 48, 276, 182)
"""The face in astronaut.png (512 x 512), px: what CenterFace marks, (182, 58, 270, 178), and a
little more."""
CAMERAMAN_FACE: Box = (214, 88, 274, 170)
"""The face in camera.png (512 x 512), px, seen from the side."""
FACES = {"astronaut.png": ASTRONAUT_FACE, "camera.png": CAMERAMAN_FACE}
"""The human faces in the photographs, px."""
ASTRONAUT_PX_PER_M = 458.0
"""At this scale the astronaut with her painted legs is 1.8 m tall."""
_LEGS_PX = 330

_ASTRONAUT = (
    "185,30 181,40 156,58 153,68 157,104 170,116 176,128 183,135 186,152 168,148 145,155 "
    "125,170 120,189 113,205 65,246 40,293 26,342 21,399 23,460 30,495 41,511 500,511 500,478 "
    "497,463 502,455 493,421 478,384 456,363 418,345 381,345 365,349 359,339 356,302 340,260 "
    "303,233 299,219 289,203 256,174 262,150 272,133 280,127 294,111 300,92 296,58 286,40 "
    "259,22 237,16 212,22"
)
_MOTORCYCLE = (
    "92,203 96,196 122,195 138,204 138,160 148,146 160,146 166,158 185,157 225,170 250,168 "
    "270,185 300,195 335,190 350,188 385,172 395,162 357,170 362,160 385,145 335,138 333,125 "
    "370,110 376,120 400,130 425,122 440,135 470,130 480,118 495,110 492,82 500,80 520,92 "
    "540,97 540,112 560,122 575,118 582,132 572,142 563,140 560,165 550,185 575,250 605,268 "
    "643,297 640,310 662,335 680,370 683,400 672,430 645,447 615,447 580,430 545,400 525,365 "
    "514,325 506,328 508,300 520,285 488,215 475,240 478,300 465,335 440,365 400,378 350,378 "
    "350,400 340,405 340,430 325,433 330,378 300,365 275,360 262,380 235,397 200,398 160,380 "
    "132,345 122,310 124,280 140,255 152,242 113,246 112,232 128,222 95,218"
)
_CAMERAMAN = (
    "234,75 219,68 192,69 172,87 161,106 130,125 77,142 59,164 38,198 16,236 0,260 0,511 "
    "151,511 148,423 140,381 173,342 206,293 247,312 280,295 279,328 238,480 231,511 250,511 "
    "253,492 282,489 282,511 292,511 292,350 308,338 318,350 356,426 364,430 312,331 326,305 "
    "310,311 300,312 300,262 307,245 306,232 320,219 324,203 331,194 328,170 304,180 272,172 "
    "280,150 270,140 262,128 268,112 255,92"
)
_CUP = (
    "88,152 77,192 75,238 84,263 96,289 134,335 170,352 207,369 271,382 314,381 376,367 415,346 "
    "439,335 461,310 483,270 486,250 479,218 467,175 442,133 415,109 423,75 405,67 389,50 "
    "350,20 300,16 246,12 210,20 185,45 180,75 140,100 107,130"
)
_TRACED = {
    "motorcycle": ("motorcycle_left.png", _MOTORCYCLE),
    "cameraman": ("camera.png", _CAMERAMAN),
    "cup": ("coffee.png", _CUP),
}
_ROUND = {
    "ball": "retina.jpg",
    "planet": "moon.png",
    "wheel": "color.png",
    "sign": "logo.png",
    "cat": "chelsea.png",
}


@cache
def photograph(name: str) -> Image:
    """Return one of scikit-image's photographs, (H, W, 3) RGB.

    Raises:
        WtoursError: the installed scikit-image does not carry it.
    """
    spec = find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path("skimage/data")
    try:
        with PillowImage.open(folder / name) as opened:
            return np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise WtoursError(
            f"the photograph {name} of scikit-image cannot be read ({error})",
            remedy="install scikit-image again (python -m pip install --force-reinstall)",
        ) from error


def opaque(rgb: Image) -> Image:
    """Return RGB as RGBA without holes."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)


def masked(rgb: Image, mask: Image) -> Image:
    """Return RGB (H, W, 3) cut out by a soft mask (H, W) in 0..255, premultiplied."""
    alpha = cv2.merge([mask, mask, mask])
    return np.dstack([cv2.multiply(rgb, alpha, scale=1 / 255), mask])


def dimmed(rgba: Image, light: float) -> Image:
    """Return the image with its colours, but not its alpha, multiplied by `light`."""
    dark = cv2.convertScaleAbs(rgba, alpha=light)
    return np.dstack([dark[..., :3], rgba[..., 3]])


def resized(image: Image, width: float, height: float) -> Image:
    """Return the image at this size in px, averaged when it shrinks."""
    size = (max(2, round(width)), max(2, round(height)))
    smaller = size[0] < image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _outline(text: str, rgb: Image) -> Image:
    points = np.array([[int(n) for n in pair.split(",")] for pair in text.split()])
    mask = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillPoly(mask, [points], 255)
    return masked(rgb, np.asarray(cv2.GaussianBlur(mask, (5, 5), 0), np.uint8))


def _cropped(rgba: Image, face: Box | None) -> tuple[Image, tuple[Box, ...]]:
    """Cut away what is empty but for a pixel, and give a face (px) in shares of the rest."""
    left, top, width, height = cv2.boundingRect((rgba[..., 3] > 0).astype(np.uint8))
    whole = _bordered(rgba[top : top + height, left : left + width])
    if face is None:
        return whole, ()
    wide, high = whole.shape[1], whole.shape[0]
    x0, y0, x1, y1 = face
    x, y = left - 1, top - 1
    return whole, (((x0 - x) / wide, (y0 - y) / high, (x1 - x) / wide, (y1 - y) / high),)


def _bordered(rgba: Image) -> Image:
    """Add a pixel of nothing around, so that a warp fades out at the edge."""
    return np.pad(rgba, ((1, 1), (1, 1), (0, 0)))


def astronaut_steps(px_per_m: float, count: int = 8) -> list[Image]:
    """Return the astronaut walking, seen from the front: `count` pictures of one step cycle, 512 x
    842 px in full.
    """
    upper = _outline(_ASTRONAUT, photograph("astronaut.png"))
    scale = px_per_m / ASTRONAUT_PX_PER_M
    steps = []
    for phase in 2 * np.pi * np.arange(count) / count:
        whole = np.zeros((512 + _LEGS_PX, 512, 4), np.uint8)
        for hip_x, lift in ((140, np.sin(phase)), (250, -np.sin(phase))):
            _paint_leg(whole, hip_x, max(0.0, float(lift)))
        head = whole[:512]
        head[:] = cv2.add(
            head - cv2.multiply(head, cv2.merge([upper[..., 3]] * 4), scale=1 / 255), upper
        )
        steps.append(resized(whole, 512 * scale, (512 + _LEGS_PX) * scale))
    return steps


def _paint_leg(image: Image, hip_x: int, lift: float) -> None:
    foot_y = image.shape[0] - 12 - round(70 * lift)
    suit, shade, boot = (205, 78, 32, 255), (160, 55, 22, 255), (25, 25, 30, 255)
    leg = np.array(
        [[hip_x - 58, 490], [hip_x + 58, 490], [hip_x + 44, foot_y - 30], [hip_x - 44, foot_y - 30]]
    )
    cv2.fillPoly(image, [leg], suit, cv2.LINE_AA)
    cv2.line(image, (hip_x - 20, 520), (hip_x - 14, foot_y - 40), shade, 8, cv2.LINE_AA)
    cv2.line(image, (hip_x + 30, 500), (hip_x + 26, foot_y - 40), shade, 14, cv2.LINE_AA)
    cv2.ellipse(
        image, (hip_x, foot_y - 16), (52, 28 + round(8 * lift)), 0, 0, 360, boot, -1, cv2.LINE_AA
    )


def astronaut_face_share() -> Box:
    """Return the face's box in shares of the pictures of `astronaut_steps`."""
    x0, y0, x1, y1 = ASTRONAUT_FACE
    return x0 / 512, y0 / (512 + _LEGS_PX), x1 / 512, y1 / (512 + _LEGS_PX)


def cut_object(name: str) -> tuple[Image, tuple[Box, ...]]:
    """Return a cut-out object and its faces, in shares of the picture.

    Args:
        name: motorcycle, cameraman, cup, horse, ball, planet, wheel, sign or cat.
    """
    if name == "horse":
        mask = np.asarray(255 - photograph("horse.png")[..., 0], np.uint8)
        coat = resized(photograph("ihc.png"), mask.shape[1], mask.shape[0])
        return _cropped(masked(coat, mask), None)
    if name in _TRACED:
        source, outline = _TRACED[name]
        return _cropped(_outline(outline, photograph(source)), FACES.get(source))
    rgb = photograph(_ROUND[name])
    side = min(rgb.shape[:2])
    left = round((0.3 if name == "cat" else 0.5) * (rgb.shape[1] - side))
    disc = np.zeros((360, 360), np.uint8)
    cv2.circle(disc, (180, 180), 176, 255, -1, cv2.LINE_AA)
    return _cropped(masked(resized(rgb[:side, left : left + side], 360, 360), disc), None)


def shadow() -> Image:
    """Return a soft dark spot for the ground below an object."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    mask = np.clip(1.3 * (1 - np.hypot(x, y)), 0, 0.55) * 255
    return masked(np.zeros((64, 64, 3), np.uint8), mask.astype(np.uint8))


def framed(name: str, *, width_px: int, frame: Colour) -> tuple[Image, tuple[Box, ...]]:
    """Return a photograph in a frame, at most `width_px` wide, and the box of its face in shares of
    the picture.
    """
    rgb = photograph(name)
    height, width = rgb.shape[:2]
    if width > width_px:
        rgb = resized(rgb, width_px, height * width_px / width)
    border = max(2, rgb.shape[1] // 22)
    mat = _edged(rgb, border, (235, 232, 224))
    whole = _edged(mat, border, frame)
    face = FACES.get(name)
    if face is None:
        return opaque(whole), ()
    zoom, shift = rgb.shape[1] / width, 2 * border
    shares = [(f * zoom + shift) / whole.shape[1 - i % 2] for i, f in enumerate(face)]
    return opaque(whole), ((shares[0], shares[1], shares[2], shares[3]),)


def _edged(rgb: Image, width: int, colour: Colour) -> Image:
    how = cv2.BORDER_CONSTANT
    edged = cv2.copyMakeBorder(rgb, width, width, width, width, how, value=colour)
    return np.asarray(edged, np.uint8)


def tinted(name: str, colour: Colour, *, contrast: float, turn: bool = False) -> Image:
    """Return a grey photograph of a material (brick, gravel, grass) as RGB around one colour."""
    grey = photograph(name)[..., 0].astype(np.float32)
    grey = np.rot90(grey) if turn else grey
    light = 1 + contrast * (grey - grey.mean()) / max(float(grey.std()), 1.0)
    coloured: Image = np.clip(light[..., None] * np.array(colour), 0, 255).astype(np.uint8)
    return coloured


def tiled(tile: Image, *, tile_m: float, width_m: float, height_m: float, px_per_m: float) -> Image:
    """Cover width_m x height_m with a tile of tile_m a side, every other one mirrored so that no
    seam shows.
    """
    side = max(2, round(tile_m * px_per_m))
    small = resized(tile, side, side)
    pair = np.hstack([small, small[:, ::-1]])
    block = np.vstack([pair, pair[::-1]])
    height, width = max(2, round(height_m * px_per_m)), max(2, round(width_m * px_per_m))
    repeats = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    return np.ascontiguousarray(np.tile(block, repeats)[:height, :width])


def sky(
    top: Colour, horizon: Colour, *, clouds: float, rng: np.random.Generator, width_px: int
) -> Image:
    """Return a sky (width_px / 2 high): a gradient with `clouds` (0 to 1) of white drawn from soft
    noise.
    """
    height = width_px // 2
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 0.7
    colours = np.array(top, np.float32) * (1 - share) + np.array(horizon, np.float32) * share
    noise = np.zeros((height, width_px), np.float32)
    for cells, weight in ((6, 0.5), (13, 0.3), (29, 0.2)):
        coarse = rng.random((cells, cells), dtype=np.float32)
        noise += weight * cv2.resize(coarse, (width_px, height), interpolation=cv2.INTER_CUBIC)
    cover = (clouds * np.clip((noise - 0.48) * 5, 0, 1))[..., None]
    clouded: Image = np.clip(colours * (1 - cover) + 252 * cover, 0, 255).astype(np.uint8)
    return clouded
