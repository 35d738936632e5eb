"""What the sample walk's world is made of: textured rectangles, a camera, and a place full of both.

World axes in metres: x to the right of the street, y up, z along it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Vector = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Texture:
    """An RGBA picture, premultiplied by its alpha, with copies shrunk in steps of the square root
    of two.
    """

    def __init__(self, image: Image) -> None:
        assert image.ndim == 3
        assert image.shape[2] == 4
        self.image = image
        self._shrunk: dict[tuple[int, int], Image] = {(0, 0): image}

    def shrunk(self, across: int, down: int) -> Image:
        """Return the copy that is 2^(-across/2) times as wide and 2^(-down/2) as high, at least 2
        px.
        """
        found = self._shrunk.get((across, down))
        if found is None:
            height, width = self.image.shape[:2]
            size = (
                max(2, round(width * 2 ** (-across / 2))),
                max(2, round(height * 2 ** (-down / 2))),
            )
            found = np.asarray(
                cv2.resize(self._source(across, down), size, interpolation=cv2.INTER_AREA), np.uint8
            )
            self._shrunk[across, down] = found
        return found

    def _source(self, across: int, down: int) -> Image:
        """Return the smallest copy that is as large in each direction, or at least twice as
        large.
        """
        fits = [
            key
            for key in self._shrunk
            if (key[0] == across or key[0] <= across - 2) and (key[1] == down or key[1] <= down - 2)
        ]
        return self._shrunk[max(fits, key=sum, default=(0, 0))]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A textured rectangle in the world.

    Args:
        corner: (3,) metres, where the texture's upper left corner lies.
        across, down: (3,) metres, the rectangle's upper and left edge.
        texture: what is on it.
        room: rooms are drawn from the highest number down.
        layer: within a room, layers are drawn from 0 up; within a layer, the farthest (greatest z)
            first.
        cutout: blend by the texture's alpha; otherwise the rectangle is opaque.
        hides: whether it can stand before a face and so take it from the truth.
        faces: (left, top, right, bottom) of each human face, in shares of the texture's width and
            height.
        endless: the corner counts from the camera's place, so that walking never comes nearer (sky,
            moon).
    """

    corner: Vector
    across: Vector
    down: Vector
    texture: Texture
    room: int = 0
    layer: int = 0
    cutout: bool = False
    hides: bool = False
    faces: tuple[Box, ...] = ()
    endless: bool = False


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the camera is and looks: metres and radians; yaw to the right, pitch up, roll
    clockwise.
    """

    place: Vector
    yaw: float
    pitch: float
    roll: float

    def axes(self) -> NDArray[np.float64]:
        """Return the (3, 3) rotation whose rows are the camera's right, down and forward in the
        world.
        """
        sin_y, cos_y, sin_p, cos_p = *_sin_cos(self.yaw), *_sin_cos(self.pitch)
        right = np.array([cos_y, 0.0, -sin_y])
        up = np.array([-sin_y * sin_p, cos_p, -cos_y * sin_p])
        forward = np.array([sin_y * cos_p, sin_p, cos_y * cos_p])
        sin_r, cos_r = _sin_cos(self.roll)
        return np.stack([cos_r * right - sin_r * up, -sin_r * right - cos_r * up, forward])


def _sin_cos(angle: float) -> tuple[float, float]:
    return float(np.sin(angle)), float(np.cos(angle))


Mover = Callable[[float, Pose], Sequence[Surface]]
"""Time of the shot (s) and the camera -> what moves, where it is then."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One shot's world.

    Args:
        still: what never moves.
        movers: each gives its surfaces at a time of the shot (s), turned to the camera.
        haze: RGB where nothing is drawn.
        gain: factor on all pixel values at a share of the shot in [0, 1]: the light of the day or
            of the lamps.
    """

    still: Sequence[Surface]
    movers: Sequence[Mover]
    haze: tuple[int, int, int]
    gain: Callable[[float], float]
