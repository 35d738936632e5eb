"""Two places of the sample walk: a street by day and another by night."""

from dataclasses import dataclass

import cv2
import numpy as np

from wtours.sample_world import cast, parts, textures
from wtours.sample_world.camera import Stroll
from wtours.sample_world.scene import Image, Place, Surface, Texture
from wtours.sample_world.textures import Colour

HALF_STREET_M = 3.2
_BEFORE_M, _BEYOND_M = 6.0, 30.0
"""How far a place goes on behind the camera's first and beyond its last position."""


@dataclass(frozen=True, kw_only=True)
class StreetLook:
    """What tells one street from another.

    Args:
        walls: (material photograph, colour) of each kind of house.
        glass: colours of windows, one drawn for each.
        ground, kerb: colours of the road and of the pavement.
        photographs: hung on the houses in turn.
        light: factor on the walls away from the lamps; 1 by day.
    """

    walls: tuple[tuple[str, Colour], ...]
    glass: tuple[Colour, ...]
    ground: Colour
    kerb: Colour
    photographs: tuple[str, ...]
    light: float


@dataclass(frozen=True, kw_only=True)
class _House:
    """A kind of house: its front in pieces, and a picture (RGBA) of its side."""

    width_m: float
    height_m: float
    pieces: list[parts.Piece]
    gable: Image


_DAY = StreetLook(
    walls=(
        ("brick.png", (214, 150, 120)),
        ("gravel.png", (236, 222, 186)),
        ("brick.png", (226, 200, 160)),
        ("grass.png", (196, 214, 222)),
        ("gravel.png", (240, 206, 190)),
    ),
    glass=((96, 130, 158), (120, 150, 170), (84, 112, 140)),
    ground=(176, 172, 166),
    kerb=(214, 210, 202),
    photographs=(
        "astronaut.png",
        "coffee.png",
        "chelsea.png",
        "rocket.jpg",
        "ihc.png",
        "camera.png",
        "retina.jpg",
    ),
    light=1.0,
)
_NIGHT = StreetLook(
    walls=(
        ("brick.png", (70, 62, 84)),
        ("brick.png", (52, 64, 92)),
        ("gravel.png", (60, 66, 88)),
    ),
    glass=((250, 205, 110), (24, 28, 44), (20, 24, 40), (30, 36, 56), (240, 180, 90)),
    ground=(58, 62, 82),
    kerb=(78, 80, 100),
    photographs=(
        "moon.png",
        "motorcycle_left.png",
        "coins.png",
        "hubble_deep_field.jpg",
        "cell.png",
        "rocket.jpg",
    ),
    light=0.45,
)


def day_street(stroll: Stroll, *, px_per_m: float, rng: np.random.Generator) -> Place:
    """Return a sunny street; the light falls from full to 0.85 of it as clouds come up."""
    end_m = stroll.way_m(stroll.duration_s) + _BEYOND_M
    blue = textures.sky((120, 172, 232), (226, 236, 246), clouds=0.8, rng=rng, width_px=1024)
    still = [*_heaven(blue), *_street(_DAY, end_m, px_per_m=px_per_m, rng=rng)]
    still += _far_end(("rocket.jpg", "gravel.png"), (228, 218, 200), end_m, px_per_m=px_per_m)
    movers = cast.people(stroll, px_per_m=px_per_m)
    movers += cast.things(stroll, ("cup", "horse", "ball", "sign", "motorcycle"), px_per_m=px_per_m)
    return Place(
        still=still, movers=movers, haze=(226, 236, 246), gain=lambda share: 1.06 - 0.2 * share
    )


def night_street(stroll: Stroll, *, px_per_m: float, rng: np.random.Generator) -> Place:
    """Return a street under the stars, lit by lamps that go down."""
    end_m = stroll.way_m(stroll.duration_s) + _BEYOND_M
    stars = textures.resized(textures.photograph("hubble_deep_field.jpg"), 1024, 893)[:512]
    night = cv2.add(cv2.convertScaleAbs(stars, alpha=0.6), np.array([14.0, 18.0, 40.0, 0.0]))
    still = [*_heaven(np.asarray(night, np.uint8)), _moon()]
    still += _street(_NIGHT, end_m, px_per_m=px_per_m, rng=rng)
    still += _far_end(("astronaut.png", "brick.png"), (50, 54, 76), end_m, px_per_m=px_per_m)
    movers = cast.people(stroll, px_per_m=px_per_m, light=0.75)
    movers += cast.things(
        stroll, ("motorcycle", "wheel", "horse", "cat", "cameraman"), px_per_m=px_per_m, light=0.75
    )
    return Place(
        still=still, movers=movers, haze=(14, 18, 40), gain=lambda share: 0.95 - 0.5 * share
    )


def _heaven(picture: Image) -> list[Surface]:
    """Return three walls of sky, 100 m before the camera and to its sides."""
    left, middle, right = (
        Texture(textures.opaque(part)) for part in np.array_split(picture, 3, axis=1)
    )
    sides = [
        Surface(
            corner=parts.vector(x, 85, z),
            across=parts.vector(*across),
            down=parts.vector(0, -95, 0),
            texture=texture,
            room=99,
            layer=parts.SKY,
            endless=True,
        )
        for texture, x, z, across in (
            (left, -101, -60, (0, 0, 161)),
            (right, 101, 100, (0, 0, -160)),
            (middle, -101, 100, (202, 0, 0)),
        )
    ]
    return sides


def _moon() -> Surface:
    disc = Texture(textures.cut_object("planet")[0])
    return parts.facing(
        disc, x_m=(8, 18), y_m=(27, 37), z_m=95, room=98, layer=parts.SKY, cutout=True, endless=True
    )


def _street(
    look: StreetLook, end_m: float, *, px_per_m: float, rng: np.random.Generator
) -> list[Surface]:
    houses = [_house(look, kind, px_per_m=px_per_m, rng=rng) for kind in range(len(look.walls))]
    surfaces = _road(look, end_m, px_per_m=px_per_m) + _lamps(look, end_m, px_per_m=px_per_m)
    for side in (-1, 1):
        z, number, before_m = -_BEFORE_M, 0 if side < 0 else 2, 99.0
        while z < end_m:
            house = houses[(number * side) % len(houses)]
            surfaces += _front(house, side, z)
            if house.height_m > before_m:
                surfaces.append(_gable(house, side, z, before_m))
            name = look.photographs[(2 * number + (side > 0)) % len(look.photographs)]
            picture = parts.hung(
                name,
                side=side,
                x_m=HALF_STREET_M,
                middle_m=(z + (house.width_m - 1.9 if side < 0 else 1.9), 1.85),
                room_m=(2.9, 2.3),
                frame=(60, 50, 44),
                px_per_m=px_per_m,
            )
            surfaces.append(picture)
            z, number, before_m = z + house.width_m, number + 1, house.height_m
    return surfaces


def _front(house: _House, side: int, z: float) -> list[Surface]:
    """Place a house's pieces; a picture's left edge is the near one on the left, the far one on the
    right.
    """
    placed = []
    for start, length, texture in house.pieces:
        near = z + start if side < 0 else z + house.width_m - start - length
        placed.append(
            parts.along(
                texture,
                side=side,
                x_m=HALF_STREET_M,
                z_m=(near, near + length),
                y_m=(0, house.height_m),
            )
        )
    return placed


def _gable(house: _House, side: int, z: float, above_m: float) -> Surface:
    """Place what shows of a house's side above its lower neighbour."""
    rows = round(house.gable.shape[0] * (1 - above_m / house.height_m))
    texture = Texture(np.ascontiguousarray(house.gable[:rows]))
    near, far = HALF_STREET_M, HALF_STREET_M + 5.0
    x_m = (near, far) if side > 0 else (-far, -near)
    return parts.facing(texture, x_m=x_m, y_m=(above_m, house.height_m), z_m=z)


def _lamps(look: StreetLook, end_m: float, *, px_per_m: float) -> list[Surface]:
    """Place a lamp on either side every 8 m, not opposite each other."""
    lamp = Texture(_lamp(px_per_m, glow=look.light < 1))
    return [
        parts.facing(
            lamp,
            x_m=(x - 0.25, x + 0.25),
            y_m=(0, 3.6),
            z_m=float(z) + x,
            layer=parts.STANDING,
            cutout=True,
            hides=True,
        )
        for z in np.arange(2.0, end_m, 8.0)
        for x in (-2.55, 2.35)
    ]


def _house(look: StreetLook, kind: int, *, px_per_m: float, rng: np.random.Generator) -> _House:
    width, height = float(rng.uniform(6.2, 8.4)), float(rng.choice([5.2, 6.4, 8.2]))
    material, colour = look.walls[kind]
    brick = material == "brick.png"
    tile = textures.tinted(material, colour, contrast=0.1 if brick else 0.05, turn=brick)
    scale = px_per_m
    wall = textures.tiled(tile, tile_m=1.6, width_m=width, height_m=height, px_per_m=scale)
    trim = (min(255, colour[0] + 24), min(255, colour[1] + 26), min(255, colour[2] + 30))
    for top in np.arange(height - 2.9 - 1.9, 0.2, -1.9):
        for left in np.arange(0.7, width - 1.2, 1.55):
            glass = look.glass[int(rng.integers(len(look.glass)))]
            box = (float(left), float(top), float(left) + 0.85, float(top) + 1.2)
            parts.window(wall, box, px_per_m=scale, glass=glass, frame=trim)
    door = (0.5, height - 2.25, 1.5, height)
    parts.window(wall, door, px_per_m=scale, glass=(92, 58, 44), frame=trim)
    shop = (1.95, height - 2.2, max(2.5, width - 3.7), height - 0.6)
    parts.window(wall, shop, px_per_m=scale, glass=look.glass[0], frame=trim)
    band = round((height - 2.75) * scale)
    cv2.rectangle(wall, (0, band), (wall.shape[1], band + max(1, round(0.16 * scale))), trim, -1)
    if look.light < 1:
        _lamplight(wall, (width / 2 * scale, (height - 2.2) * scale), 3.2 * scale, look.light)
    gable = textures.tiled(tile, tile_m=1.6, width_m=5.0, height_m=height, px_per_m=scale / 3)
    shaded = cv2.convertScaleAbs(gable, alpha=0.8 * look.light)
    pieces = parts.cut_wall(textures.opaque(wall), width)
    gable = textures.opaque(np.asarray(shaded, np.uint8))
    return _House(width_m=width, height_m=height, pieces=pieces, gable=gable)


def _lamplight(image: Image, middle: tuple[float, float], reach: float, least: float) -> None:
    """Darken an RGB picture to `least`, but not around a lamp at `middle`, px."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    near = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / reach**2)[..., None]
    warm = np.array([1.25, 1.1, 0.8], np.float32)
    image[:] = np.clip(image * (least + (1 - least) * near * warm), 0, 255).astype(np.uint8)


def _road(look: StreetLook, end_m: float, *, px_per_m: float) -> list[Surface]:
    """Return 8 m of road and pavement, again and again, in pieces of 4 m."""
    width, length = 2 * HALF_STREET_M, 8.0
    stone = textures.tinted("gravel.png", look.ground, contrast=0.07)
    slabs = textures.tinted("brick.png", look.kerb, contrast=0.07, turn=True)
    road = textures.tiled(stone, tile_m=1.5, width_m=width, height_m=length, px_per_m=px_per_m)
    pavement = textures.tiled(slabs, tile_m=3.0, width_m=1.0, height_m=length, px_per_m=px_per_m)
    road[:, : pavement.shape[1]] = pavement
    road[:, -pavement.shape[1] :] = pavement[:, ::-1]
    for edge in (pavement.shape[1], road.shape[1] - pavement.shape[1]):
        kerb = tuple(int(c * 0.7) for c in look.kerb)
        cv2.line(road, (edge, 0), (edge, road.shape[0]), kerb, max(1, round(0.1 * px_per_m)))
    middle = (round(width / 2 * px_per_m), round(length / 2 * px_per_m))
    cv2.circle(road, middle, round(0.33 * px_per_m), tuple(int(c * 0.5) for c in look.ground), -1)
    if look.light < 1:
        _lamplight(road, middle, 3.0 * px_per_m, look.light)
    halves = [
        Texture(textures.opaque(np.ascontiguousarray(q))) for q in np.array_split(road, 2)[::-1]
    ]
    across = (-HALF_STREET_M, HALF_STREET_M)
    starts = np.arange(-_BEFORE_M, end_m, 4.0)
    return [
        parts.level(halves[i % 2], x_m=across, z_m=(float(z), float(z) + 4.0))
        for i, z in enumerate(starts)
    ]


def _lamp(px_per_m: float, *, glow: bool) -> Image:
    """Return a street lamp, 0.5 x 3.6 m, from its foot to its lantern."""
    scale = px_per_m * 1.5
    size = (round(3.6 * scale), round(0.5 * scale))
    image, mask = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    middle, lantern = size[1] // 2, round(0.45 * scale)
    post = max(1, round(0.045 * scale))
    cv2.rectangle(mask, (middle - post, lantern), (middle + post, size[0]), 255, -1)
    image[:] = (38, 44, 46)
    light = (255, 232, 170) if glow else (226, 230, 224)
    corners = np.array([[0.08, 0.1], [0.42, 0.1], [0.36, 0.5], [0.14, 0.5]]) * scale
    for canvas, colour in ((mask, 255), (image, light)):
        cv2.fillPoly(canvas, [corners.astype(int)], colour, cv2.LINE_AA)
    return np.pad(textures.masked(image, mask), ((1, 1), (1, 1), (0, 0)))


def _far_end(
    names: tuple[str, str], colour: Colour, end_m: float, *, px_per_m: float
) -> list[Surface]:
    """Return the house that closes a street, with a photograph as large as its front."""
    wall = textures.tiled(
        textures.tinted(names[1], colour, contrast=0.05),
        tile_m=2,
        width_m=16,
        height_m=7,
        px_per_m=px_per_m / 4,
    )
    image, faces = textures.framed(names[0], width_px=640, frame=(70, 60, 50))
    half_m = min(2.6, 2.0 * image.shape[1] / image.shape[0])
    high_m = 2 * half_m * image.shape[0] / image.shape[1]
    return [
        parts.facing(Texture(textures.opaque(wall)), x_m=(-8, 8), y_m=(0, 7), z_m=end_m),
        parts.facing(
            Texture(image),
            x_m=(-half_m, half_m),
            y_m=(0.9, 0.9 + high_m),
            z_m=end_m - 0.1,
            layer=parts.PICTURE,
            faces=faces,
        ),
    ]
