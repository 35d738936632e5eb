"""Who and what is met on the sample walk."""

from collections.abc import Callable, Sequence

from wtours.sample_world import parts, textures
from wtours.sample_world.camera import Stroll
from wtours.sample_world.render import Box, Mover, Texture
from wtours.sample_world.textures import ASTRONAUT_PX_PER_M


def people(
    stroll: Stroll, *, px_per_m: float, room: Callable[[float], int] = lambda _z: 0
) -> list[Mover]:
    """Return the astronaut, once for each meeting."""
    steps = [
        Texture(step) for step in textures.astronaut_steps(min(ASTRONAUT_PX_PER_M, 3 * px_per_m))
    ]
    face: tuple[Box, ...] = (textures.astronaut_face_share(),)
    return [
        parts.mover(
            steps,
            height_m=842 / ASTRONAUT_PX_PER_M,
            path=parts.meeting_path(stroll, index),
            steps_per_s=8.0,
            faces=face,
            room=room,
        )
        for index in range(len(stroll.meetings))
    ]


_HEIGHTS_M = {
    "motorcycle": 1.15,
    "cameraman": 1.75,
    "cup": 1.2,
    "horse": 1.9,
    "ball": 0.7,
    "wheel": 0.9,
    "sign": 1.1,
    "cat": 1.0,
}


def things(
    stroll: Stroll,
    names: Sequence[str],
    *,
    px_per_m: float,
    room: Callable[[float], int] = lambda _z: 0,
) -> list[Mover]:
    """Return things that come towards the camera or rest beside its way, spread over the shot."""
    movers = []
    for number, name in enumerate(names):
        image = textures.cut_object(name)
        height_m = _HEIGHTS_M[name]
        shrink = min(1.0, 3 * px_per_m * height_m / image.shape[0])
        texture = Texture(textures.resized(image, image.shape[1] * shrink, image.shape[0] * shrink))
        meet_s = (number + 0.8) / len(names) * stroll.duration_s
        x = 1.75 * (-1) ** number
        resting = name in {"cup", "cameraman", "sign"}
        pace = 0.0 if resting else 1.2 + 0.3 * number
        path = parts.oncoming(stroll, meet_s=meet_s + 0.8, x_m=x, pace_m_per_s=pace)
        movers.append(parts.mover([texture], height_m=height_m, path=path, room=room))
    return movers
