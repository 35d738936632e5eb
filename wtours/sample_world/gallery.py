"""The second place of the sample walk: a gallery of rooms that open into one another, in failing
lamplight.
"""

from itertools import cycle

import cv2
import numpy as np

from wtours.sample_world import cast, parts, textures
from wtours.sample_world.camera import Stroll
from wtours.sample_world.scene import Image, Place, Surface, Texture
from wtours.sample_world.textures import Colour

_HALF_M, _HIGH_M, _ROOM_M = 3.3, 3.7, 9.0
_DOOR_HALF_M, _DOOR_HIGH_M = 1.75, 2.75
_FIRST_M = -5.0
"""Where the room that the walk begins in starts."""
_PAINT: tuple[Colour, ...] = ((150, 62, 56), (70, 112, 104), (164, 138, 84), (92, 84, 128))
_PHOTOGRAPHS = (
    "chelsea.png",
    "astronaut.png",
    "hubble_deep_field.jpg",
    "coffee.png",
    "motorcycle_left.png",
    "retina.jpg",
    "camera.png",
    "coins.png",
    "moon.png",
    "ihc.png",
    "rocket.jpg",
)


def gallery(stroll: Stroll, *, px_per_m: float) -> Place:
    """Return the rooms of a gallery; the lamps go down to half of their light."""
    count = int((stroll.way_m(stroll.duration_s) + 30 - _FIRST_M) // _ROOM_M) + 1
    floor, ceiling = _floor(px_per_m), _ceiling(px_per_m)
    walls = [_wall(colour, px_per_m=px_per_m) for colour in _PAINT]
    photographs = cycle(_PHOTOGRAPHS)
    still: list[Surface] = []
    for room in range(count):
        start = _FIRST_M + room * _ROOM_M
        still += _levels(floor, ceiling, start, room)
        still += _sides(walls[room % len(walls)], start, room)
        still += _partition(walls[(room + 3) % len(walls)], start, room)
        for side in (-1, 1):
            for share in (0.27, 0.73):
                name = next(photographs)
                still.append(
                    parts.hung(
                        name,
                        side=side,
                        x_m=_HALF_M,
                        middle_m=(start + share * _ROOM_M, 1.75),
                        room_m=(3.0, 2.2),
                        frame=(196, 156, 72),
                        px_per_m=px_per_m,
                        room=room,
                    )
                )
    end = _FIRST_M + count * _ROOM_M
    back = Texture(textures.opaque(walls[0]))
    still.append(parts.facing(back, x_m=(-_HALF_M, _HALF_M), y_m=(0, _HIGH_M), z_m=end, room=count))
    movers = cast.people(stroll, px_per_m=px_per_m, room=_room_at)
    names = ("cat", "ball", "cameraman", "cup", "wheel")
    movers += cast.things(stroll, names, px_per_m=px_per_m, room=_room_at)
    return Place(
        still=still, movers=movers, haze=(60, 50, 46), gain=lambda share: 0.84 - 0.36 * share
    )


def _room_at(z_m: float) -> int:
    return int((z_m - _FIRST_M) // _ROOM_M)


def _wall(colour: Colour, *, px_per_m: float) -> Image:
    """Return a painted wall (RGB), a room long, with a skirting board and light falling from
    above.
    """
    tile = textures.tinted("gravel.png", colour, contrast=0.05)
    wall = textures.tiled(tile, tile_m=1.0, width_m=_ROOM_M, height_m=_HIGH_M, px_per_m=px_per_m)
    fall = np.linspace(1.15, 0.72, wall.shape[0], dtype=np.float32)[:, None]
    along = np.linspace(0, 4 * np.pi, wall.shape[1], dtype=np.float32)[None]
    lit = wall * (fall * (0.9 - 0.18 * np.cos(along)))[..., None]
    wall = np.clip(lit, 0, 255).astype(np.uint8)
    board = round(0.16 * px_per_m)
    cv2.rectangle(wall, (0, wall.shape[0] - board), wall.shape[1::-1], (66, 48, 36), -1)
    cv2.rectangle(wall, (0, 0), (wall.shape[1], board // 2), (216, 206, 186), -1)
    return wall


def _floor(px_per_m: float) -> list[Texture]:
    """Return parquet for one room, in pieces of 3 m, the nearest first."""
    wood = textures.tinted("brick.png", (132, 92, 60), contrast=0.1)
    width = 2 * _HALF_M
    floor = textures.tiled(wood, tile_m=2.0, width_m=width, height_m=_ROOM_M, px_per_m=px_per_m)
    carpet = textures.tinted("grass.png", (124, 38, 42), contrast=0.07)
    runner = textures.tiled(carpet, tile_m=1.2, width_m=2.0, height_m=_ROOM_M, px_per_m=px_per_m)
    left = (floor.shape[1] - runner.shape[1]) // 2
    floor[:, left : left + runner.shape[1]] = runner
    for x in (left, left + runner.shape[1]):
        cv2.line(floor, (x, 0), (x, floor.shape[0]), (208, 170, 90), max(1, round(0.06 * px_per_m)))
    thirds = np.array_split(floor, 3)[::-1]
    return [Texture(textures.opaque(np.ascontiguousarray(part))) for part in thirds]


def _ceiling(px_per_m: float) -> Texture:
    """Return 3 m of ceiling with a lamp panel and beams."""
    plaster = textures.tinted("gravel.png", (170, 160, 142), contrast=0.03)
    ceiling = textures.tiled(
        plaster, tile_m=1.5, width_m=2 * _HALF_M, height_m=3.0, px_per_m=px_per_m / 2
    )
    scale = px_per_m / 2
    low, high = (round(2.5 * scale), round(0.9 * scale)), (round(4.1 * scale), round(2.1 * scale))
    cv2.rectangle(ceiling, low, high, (255, 240, 205), -1)
    cv2.rectangle(ceiling, low, high, (120, 104, 84), max(1, round(0.06 * scale)))
    cv2.rectangle(ceiling, (0, 0), (ceiling.shape[1], round(0.25 * scale)), (118, 96, 72), -1)
    return Texture(textures.opaque(ceiling))


def _levels(floor: list[Texture], ceiling: Texture, start: float, room: int) -> list[Surface]:
    across = (-_HALF_M, _HALF_M)
    surfaces = []
    for third, texture in enumerate(floor):
        z_m = (start + 3.0 * third, start + 3.0 * (third + 1))
        surfaces.append(parts.level(texture, x_m=across, z_m=z_m, room=room))
        surfaces.append(parts.level(ceiling, x_m=across, z_m=z_m, y_m=_HIGH_M, room=room))
    return surfaces


def _sides(wall: Image, start: float, room: int) -> list[Surface]:
    surfaces = []
    for begin, length, texture in parts.cut_wall(textures.opaque(wall), _ROOM_M):
        for side in (-1, 1):
            near = start + (begin if side < 0 else _ROOM_M - begin - length)
            surfaces.append(
                parts.along(
                    texture,
                    side=side,
                    x_m=_HALF_M,
                    z_m=(near, near + length),
                    y_m=(0, _HIGH_M),
                    room=room,
                )
            )
    return surfaces


def _partition(wall: Image, start: float, room: int) -> list[Surface]:
    """Return the wall before a room, left and right of its door and above it, and the door's
    frame.
    """
    px_per_m = wall.shape[1] / _ROOM_M
    side_px = round((_HALF_M - _DOOR_HALF_M) * px_per_m)
    lintel_px = round((_HIGH_M - _DOOR_HIGH_M) * px_per_m)
    beside = Texture(textures.opaque(np.ascontiguousarray(wall[:, :side_px])))
    above = Texture(
        textures.opaque(
            np.ascontiguousarray(wall[:lintel_px, : round(2 * _DOOR_HALF_M * px_per_m)])
        )
    )
    wood = Texture(textures.opaque(np.full((8, 8, 3), (84, 58, 40), np.uint8)))
    door, wide, post = _DOOR_HALF_M, _HALF_M, 0.14
    ranges = (
        (beside, (-wide, -door), (0.0, _HIGH_M)),
        (beside, (door, wide), (0.0, _HIGH_M)),
        (above, (-door, door), (_DOOR_HIGH_M, _HIGH_M)),
        (wood, (-door - post, -door), (0.0, _DOOR_HIGH_M + post)),
        (wood, (door, door + post), (0.0, _DOOR_HIGH_M + post)),
        (wood, (-door, door), (_DOOR_HIGH_M, _DOOR_HIGH_M + post)),
    )
    return [
        parts.facing(
            texture,
            x_m=x_m,
            y_m=y_m,
            z_m=start - 0.001 * number,
            room=room,
            layer=parts.PARTITION,
            hides=True,
        )
        for number, (texture, x_m, y_m) in enumerate(ranges)
    ]
