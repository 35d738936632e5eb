"""Draws a world of flat, textured rectangles as a pinhole camera sees it.

World axes in metres: x to the right of the street, y up, z along it. Every rectangle is warped into
the picture by the homography of its plane, the farthest first (painter's algorithm). Shrunken
copies of each texture, made separately for width and height, keep walls that are seen at a slant
from flickering.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from wtours.sample_world.scene import Box, Image, Place, Pose, Surface, Vector

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels; the last two lie outside."""
_SQUARE = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]], float)

NEAR_M = 0.15
"""Nothing closer to the camera plane is drawn."""
FAR_M = 62.0
"""Nothing farther along the street is drawn; the places close their view before."""
FOCAL_WIDTHS = 0.75
"""Focal length in picture widths: 67 degrees from left to right, as wide as an action camera's
linear view."""
DRAWN_HEIGHT_PX = 540
"""Higher pictures are drawn at this height and enlarged: about a fifth less time to draw."""
FACE_MIN_HEIGHT = 1 / 48
"""Faces lower than this share of the picture's height (15 px of 720) do not count as visible."""


@dataclass
class _Face:
    box: Box
    shown: float = 1.0


@dataclass
class _Batch:
    """Surfaces with their geometry stacked: corners (n, 3), edges (n, 3), texture sizes (n, 2)."""

    surfaces: Sequence[Surface]
    corner: Vector = field(init=False)
    across: Vector = field(init=False)
    down: Vector = field(init=False)
    size: Vector = field(init=False)
    endless: NDArray[np.bool_] = field(init=False)
    order: Vector = field(init=False)

    def __post_init__(self) -> None:
        rows = self.surfaces
        self.corner = np.array([s.corner for s in rows], float).reshape(-1, 3)
        self.across = np.array([s.across for s in rows], float).reshape(-1, 3)
        self.down = np.array([s.down for s in rows], float).reshape(-1, 3)
        self.size = np.array([s.texture.image.shape[1::-1] for s in rows], float).reshape(-1, 2)
        self.endless = np.array([s.endless for s in rows], bool)
        middle_z = self.corner[:, 2] + (self.across[:, 2] + self.down[:, 2]) / 2
        layers = [[-s.room, s.layer] for s in rows]
        self.order = np.column_stack([np.array(layers, float).reshape(-1, 2), -middle_z])


class Painter:
    """Draws one place, frame by frame.

    Args:
        place: what to draw.
        width, height: size of the pictures that `draw` returns, px.
    """

    def __init__(self, place: Place, *, width: int, height: int) -> None:
        self.place = place
        self._size = (width, height)
        self._enlarged = max(1.0, height / DRAWN_HEIGHT_PX)
        width, height = round(width / self._enlarged), round(height / self._enlarged)
        self.width, self.height = width, height
        focal_px = FOCAL_WIDTHS * width
        self._lens = np.array(
            [[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]]
        )
        self._still = _Batch(place.still)
        self._empty = np.full((height, width, 4), (*place.haze, 255), np.uint8)
        self._canvas = self._empty.copy()

    def draw(self, shot_s: float, share: float, pose: Pose) -> tuple[Image, tuple[Box, ...]]:
        """Return the picture (H, W, 3) RGB and the boxes of the faces that can be seen in it.

        Args:
            shot_s: time since the shot began, which moves the movers.
            share: the same time as a share of the shot, which sets the light.
            pose: the camera.
        """
        np.copyto(self._canvas, self._empty)
        faces: list[_Face] = []
        moving = _Batch([s for mover in self.place.movers for s in mover(shot_s, pose)])
        chosen = [(self._still, i) for i in self._near(self._still, pose)]
        chosen += [(moving, i) for i in self._near(moving, pose)]
        chosen.sort(key=lambda row: tuple(row[0].order[row[1]]))
        batch = _Batch([owner.surfaces[i] for owner, i in chosen])
        self._draw_batch(batch, pose, faces)
        lit = cv2.convertScaleAbs(
            cv2.cvtColor(self._canvas, cv2.COLOR_RGBA2RGB), alpha=self.place.gain(share)
        )
        if self._enlarged > 1:
            lit = cv2.resize(lit, self._size, interpolation=cv2.INTER_LINEAR)
        zoom = self._enlarged
        return np.asarray(lit, np.uint8), tuple(
            (face.box[0] * zoom, face.box[1] * zoom, face.box[2] * zoom, face.box[3] * zoom)
            for face in faces
            if face.shown > 0.5
        )

    def _near(self, batch: _Batch, pose: Pose) -> NDArray[np.intp]:
        ends = batch.corner[:, 2, None] + np.column_stack(
            [np.zeros(len(batch.corner)), batch.across[:, 2] + batch.down[:, 2]]
        )
        ahead = ends - pose.place[2]
        seen = (ahead.max(axis=1, initial=-np.inf) > -1.0) & (
            ahead.min(axis=1, initial=np.inf) < FAR_M
        )
        return np.flatnonzero(seen | batch.endless)

    def _draw_batch(self, batch: _Batch, pose: Pose, faces: list[_Face]) -> None:
        offset = batch.corner - np.where(batch.endless[:, None], 0.0, pose.place)
        # Columns: point (u, v) of the unit square lies at across * u + down * v + offset (n, 3, 3).
        planes = pose.axes() @ np.stack([batch.across, batch.down, offset], axis=2)
        corners = planes @ _SQUARE  # (n, 3, 4) in camera axes
        facing = np.abs(np.linalg.det(planes)) > 1e-9
        drawn = np.flatnonzero(facing & (corners[:, 2].max(axis=1) > NEAR_M))
        planes, corners = planes[drawn], corners[drawn]
        whole = corners[:, 2].min(axis=1) > NEAR_M
        points = self._lens @ corners
        points = points[:, :2] / np.where(whole[:, None], points[:, 2], 1.0)[:, None]
        halves = _shrinkage(points, batch.size[drawn])
        inverses = np.linalg.inv(self._lens @ planes)
        for row, index in enumerate(drawn.tolist()):
            outline = points[row] if whole[row] else self._before_camera(corners[row])
            region = self._clip(outline)
            if region is None:
                continue
            surface = batch.surfaces[index]
            steps = (int(halves[row, 0]), int(halves[row, 1])) if whole[row] else (0, 0)
            self._draw_surface(surface, steps, inverses[row], region, faces)
            if surface.faces and whole[row]:
                faces += self._faces_on(surface, planes[row])

    def _before_camera(self, corners: Vector) -> Vector:
        """Return (2, n) px around what of (3, 4) corners lies before the near plane.

        Sutherland and Hodgman's clipping, for one plane.
        """
        kept = []
        for start, end in zip(corners.T, np.roll(corners, -1, axis=1).T, strict=True):
            if start[2] > NEAR_M:
                kept.append(start)
            if (start[2] > NEAR_M) != (end[2] > NEAR_M):
                kept.append(start + (end - start) * (NEAR_M - start[2]) / (end[2] - start[2]))
        points = self._lens @ np.array(kept).T
        outline: Vector = points[:2] / points[2]
        return outline

    def _clip(self, points: Vector) -> Region | None:
        """Return the whole pixels of the picture around (2, n) points, or None."""
        (left, top), (right, bottom) = points.min(axis=1).tolist(), points.max(axis=1).tolist()
        region = (
            max(0, int(max(left, -1.0))),
            max(0, int(max(top, -1.0))),
            min(self.width, int(min(right, 1e6)) + 2),
            min(self.height, int(min(bottom, 1e6)) + 2),
        )
        return region if region[0] < region[2] and region[1] < region[3] else None

    def _draw_surface(
        self,
        surface: Surface,
        steps: tuple[int, int],
        inverse: Vector,
        region: Region,
        faces: list[_Face],
    ) -> None:
        left, top, right, bottom = region
        picture = surface.texture.shrunk(*steps)
        height, width = picture.shape[:2]
        # Pixel of the region -> texel, whose centres lie half a texel inside the rectangle's edges.
        to_texel = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]]) @ inverse
        to_texel[:, 2] += to_texel[:, 0] * left + to_texel[:, 1] * top
        target = self._canvas[top:bottom, left:right]
        size = (right - left, bottom - top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        if not surface.cutout:
            cv2.warpPerspective(
                picture, to_texel, size, target, flags=flags, borderMode=cv2.BORDER_TRANSPARENT
            )
            if surface.hides and faces:
                _hide(faces, region, np.full((size[1], size[0]), 255, np.uint8))
            return
        warped = cv2.warpPerspective(picture, to_texel, size, flags=flags)
        alpha = np.ascontiguousarray(warped[..., 3], np.uint8)
        behind = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGBA)
        target[:] = cv2.add(cv2.multiply(target, behind, scale=1 / 255), warped)
        if surface.hides and faces:
            _hide(faces, region, alpha)

    def _faces_on(self, surface: Surface, plane: Vector) -> list[_Face]:
        found = []
        for left, top, right, bottom in surface.faces:
            unit = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
            points = self._lens @ plane @ unit
            points = points[:2] / points[2]
            (x0, y0), (x1, y1) = points.min(axis=1).tolist(), points.max(axis=1).tolist()
            box = (max(x0, 0.0), max(y0, 0.0), min(x1, self.width), min(y1, self.height))
            inside = max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
            large = y1 - y0 >= FACE_MIN_HEIGHT * self.height and x1 - x0 >= 0.4 * (y1 - y0)
            if large and inside > 0.5 * (x1 - x0) * (y1 - y0):
                found.append(_Face(box))
        return found


def _shrinkage(points: Vector, size: Vector) -> NDArray[np.int64]:
    """Return (n, 2) steps of sqrt(2) that textures of (n, 2) px shrink by to cover (n, 2, 4)
    points, px.
    """
    edges = np.hypot(*np.moveaxis(np.roll(points, -1, axis=2) - points, 1, 0))
    spans = np.stack(
        [np.maximum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 1], edges[:, 3])], 1
    )
    steps: Vector = np.floor(2 * np.log2(np.maximum(size / np.maximum(spans, 1.0), 1.0)) + 0.5)
    return np.minimum(steps, 16).astype(np.int64)


def _hide(faces: list[_Face], region: Region, alpha: Image) -> None:
    """Take from each face's shown share what `alpha`, drawn over `region`, covers of it."""
    for face in faces:
        x0, y0 = max(int(face.box[0]), region[0]), max(int(face.box[1]), region[1])
        x1, y1 = min(int(face.box[2]), region[2]), min(int(face.box[3]), region[3])
        if x0 < x1 and y0 < y1:
            part = alpha[y0 - region[1] : y1 - region[1], x0 - region[0] : x1 - region[0]]
            area = (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])
            face.shown -= float(part.sum()) / 255 / max(area, 1.0)
