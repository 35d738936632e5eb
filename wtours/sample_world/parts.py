"""Parts that the sample walk's places are built of: walls, floors, hung pictures, things that
stand, roll and walk.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np

from wtours.sample_world import textures
from wtours.sample_world.camera import Stroll
from wtours.sample_world.scene import Box, Image, Mover, Pose, Surface, Texture, Vector
from wtours.sample_world.textures import Colour

SKY, GROUND, WALL, PICTURE, STANDING, PARTITION = range(6)
"""Layers of a room, drawn in this order."""
_OVERLAP_M = 0.05
"""Pieces of a wall overlap by this, since the edge of each is half transparent."""

Piece = tuple[float, float, Texture]
"""Part of a wall: start and length in metres from the wall's left edge, and what is on it."""
Path = Callable[[float], tuple[float, float]]
"""Time of the shot (s) -> x and z (m)."""


def vector(x: float, y: float, z: float) -> Vector:
    """Return a point or an edge of the world, in metres."""
    return np.array([x, y, z], float)


def cut_wall(image: Image, width_m: float, *, piece_m: float = 3.0) -> list[Piece]:
    """Cut a wall's picture (RGBA, width_m wide) into upright pieces of about piece_m."""
    px_per_m = image.shape[1] / width_m
    edges = np.linspace(0, width_m, max(1, round(width_m / piece_m)) + 1)
    pieces = []
    for start, end in pairwise(edges.tolist()):
        left = max(0, round((start - _OVERLAP_M) * px_per_m))
        right = min(image.shape[1], round((end + _OVERLAP_M) * px_per_m))
        texture = Texture(np.ascontiguousarray(image[:, left:right]))
        pieces.append((left / px_per_m, (right - left) / px_per_m, texture))
    return pieces


def along(
    texture: Texture,
    *,
    side: int,
    x_m: float,
    z_m: tuple[float, float],
    y_m: tuple[float, float],
    room: int = 0,
    layer: int = WALL,
    faces: tuple[Box, ...] = (),
) -> Surface:
    """Return a wall or picture along the street, left (side -1) or right (1), x_m from its middle,
    z_m and y_m ranges.
    """
    length, down = z_m[1] - z_m[0], vector(0, y_m[0] - y_m[1], 0)
    if side < 0:
        corner, across = vector(-x_m, y_m[1], z_m[0]), vector(0, 0, length)
    else:
        corner, across = vector(x_m, y_m[1], z_m[1]), vector(0, 0, -length)
    return Surface(
        corner=corner,
        across=across,
        down=down,
        texture=texture,
        room=room,
        layer=layer,
        faces=faces,
    )


def facing(
    texture: Texture,
    *,
    x_m: tuple[float, float],
    y_m: tuple[float, float],
    z_m: float,
    room: int = 0,
    layer: int = WALL,
    cutout: bool = False,
    hides: bool = False,
    endless: bool = False,
    faces: tuple[Box, ...] = (),
) -> Surface:
    """Return something that faces whoever comes along the street, in these x and y ranges."""
    return Surface(
        corner=vector(x_m[0], y_m[1], z_m),
        across=vector(x_m[1] - x_m[0], 0, 0),
        down=vector(0, y_m[0] - y_m[1], 0),
        texture=texture,
        room=room,
        layer=layer,
        cutout=cutout,
        hides=hides,
        endless=endless,
        faces=faces,
    )


def level(
    texture: Texture,
    *,
    x_m: tuple[float, float],
    z_m: tuple[float, float],
    y_m: float = 0.0,
    room: int = 0,
) -> Surface:
    """Return a piece of floor, its picture's lower edge towards whoever comes, or of ceiling where
    y_m is over 0.
    """
    length = z_m[1] - z_m[0] + _OVERLAP_M
    z, down = (z_m[1] + _OVERLAP_M, -length) if y_m == 0 else (z_m[0], length)
    return Surface(
        corner=vector(x_m[0], y_m, z),
        across=vector(x_m[1] - x_m[0], 0, 0),
        down=vector(0, 0, down),
        texture=texture,
        room=room,
        layer=GROUND,
    )


def hung(
    name: str,
    *,
    side: int,
    x_m: float,
    middle_m: tuple[float, float],
    room_m: tuple[float, float],
    frame: Colour,
    px_per_m: float,
    room: int = 0,
) -> Surface:
    """Return a framed photograph on a side wall, its middle at (z, y), as large as fits in (width,
    height).
    """
    image, faces = textures.framed(name, width_px=round(room_m[0] * px_per_m * 2), frame=frame)
    scale = min(room_m[0] / image.shape[1], room_m[1] / image.shape[0])
    half_z, half_y = image.shape[1] * scale / 2, image.shape[0] * scale / 2
    z, y = middle_m
    return along(
        Texture(image),
        side=side,
        x_m=x_m - 0.03,
        z_m=(z - half_z, z + half_z),
        y_m=(y - half_y, y + half_y),
        room=room,
        layer=PICTURE,
        faces=faces,
    )


def mover(
    steps: Sequence[Texture],
    *,
    height_m: float,
    path: Path,
    steps_per_s: float = 0.0,
    lift_m: float = 0.0,
    faces: tuple[Box, ...] = (),
    room: Callable[[float], int] = lambda _z: 0,
) -> Mover:
    """Return a thing that goes along a path, turned to the camera, with its shadow.

    Args:
        steps: pictures shown in turn.
        height_m: its height.
        path: where its foot is.
        steps_per_s: how many of the pictures a second shows.
        lift_m: how high above the ground it hangs or hops.
        faces: as in Surface.
        room: the room at a z.
    """
    dark = Texture(textures.shadow())
    shape = steps[0].image.shape
    half_m = height_m * shape[1] / shape[0] / 2

    def surfaces(shot_s: float, pose: Pose) -> Sequence[Surface]:
        x, z = path(shot_s)
        texture = steps[int(shot_s * steps_per_s) % len(steps)]
        right = vector(float(np.cos(pose.yaw)), 0, -float(np.sin(pose.yaw)))
        back = vector(right[2] * -1, 0, right[0])
        foot = vector(x, lift_m, z)
        body = Surface(
            corner=foot + vector(0, height_m, 0) - half_m * right,
            across=2 * half_m * right,
            down=vector(0, -height_m, 0),
            texture=texture,
            room=room(z),
            layer=STANDING,
            cutout=True,
            hides=True,
            faces=faces,
        )
        shade = Surface(
            corner=vector(x, 0.005, z) - half_m * right + 0.25 * back,
            across=2 * half_m * right,
            down=-0.45 * back,
            texture=dark,
            room=room(z),
            layer=PICTURE,
            cutout=True,
        )
        return [shade, body]

    return surfaces


def resting(x_m: float, z_m: float) -> Path:
    """Return the path of what stays where it is."""
    return lambda _shot_s: (x_m, z_m)


def oncoming(stroll: Stroll, *, meet_s: float, x_m: float, pace_m_per_s: float) -> Path:
    """Return the path of what comes along the street at x_m and passes the camera at meet_s."""
    meet_z = stroll.way_m(meet_s)
    return lambda shot_s: (x_m, meet_z - pace_m_per_s * (shot_s - meet_s))


def meeting_path(stroll: Stroll, index: int) -> Path:
    """Return the path of somebody who comes, waits 1.75 m before the slowing camera at its meeting,
    and goes on.
    """
    meeting = stroll.meetings[index]
    stop_z = stroll.way_m(meeting.shot_s) + 1.75
    x = meeting.side * 0.4

    def path(shot_s: float) -> tuple[float, float]:
        since = shot_s - meeting.shot_s
        return x, stop_z + 0.8 * (max(0.0, -0.9 - since) - max(0.0, since - 0.9))

    return path


def window(image: Image, box_m: Box, *, px_per_m: float, glass: Colour, frame: Colour) -> None:
    """Paint a window (left, top, right, bottom in metres from the picture's upper left corner) into
    a wall (RGB).
    """
    x0, y0, x1, y1 = (round(v * px_per_m) for v in box_m)
    edge = max(1, round(0.07 * px_per_m))
    cv2.rectangle(image, (x0 - edge, y0 - edge), (x1 + edge, y1 + edge), frame, -1)
    shine = np.linspace(1.25, 0.7, max(1, y1 - y0), dtype=np.float32)[:, None, None]
    pane = np.clip(shine * np.array(glass, np.float32), 0, 255).astype(np.uint8)
    image[y0:y1, x0:x1] = pane[: image[y0:y1].shape[0]]
    middle = (x0 + x1) // 2
    cv2.line(image, (middle, y0), (middle, y1), frame, max(1, edge // 2))
    cv2.line(image, (x0, (2 * y0 + y1) // 3), (x1, (2 * y0 + y1) // 3), frame, max(1, edge // 2))
