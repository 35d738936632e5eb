"""Who and what is met on the sample walk."""

from collections.abc import Callable, Sequence

from wtours.sample_world import parts, textures
from wtours.sample_world.camera import Stroll
from wtours.sample_world.scene import Mover, Texture
from wtours.sample_world.textures import ASTRONAUT_PX_PER_M

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
_RESTING = {"cup", "cameraman", "sign"}


def people(
    stroll: Stroll,
    *,
    px_per_m: float,
    light: float = 1.0,
    room: Callable[[float], int] = lambda _z: 0,
) -> list[Mover]:
    """Return the astronaut, once for each meeting, in this share of her photograph's light."""
    steps = textures.astronaut_steps(min(ASTRONAUT_PX_PER_M, 3 * px_per_m))
    pictures = [Texture(textures.dimmed(step, light)) for step in steps]
    return [
        parts.mover(
            pictures,
            height_m=842 / ASTRONAUT_PX_PER_M,
            path=parts.meeting_path(stroll, index),
            steps_per_s=8.0,
            faces=(textures.astronaut_face_share(),),
            room=room,
        )
        for index in range(len(stroll.meetings))
    ]


def things(
    stroll: Stroll,
    names: Sequence[str],
    *,
    px_per_m: float,
    light: float = 1.0,
    room: Callable[[float], int] = lambda _z: 0,
) -> list[Mover]:
    """Return things that come towards the camera or rest beside its way, spread over the shot."""
    movers = []
    for number, name in enumerate(names):
        image, faces = textures.cut_object(name)
        height_m = _HEIGHTS_M[name]
        shrink = min(1.0, 3 * px_per_m * height_m / image.shape[0])
        small = textures.resized(image, image.shape[1] * shrink, image.shape[0] * shrink)
        path = parts.oncoming(
            stroll,
            meet_s=(number + 0.8) / len(names) * stroll.duration_s + 0.8,
            x_m=1.75 * (-1) ** number,
            pace_m_per_s=0.0 if name in _RESTING else 1.2 + 0.3 * number,
        )
        picture = Texture(textures.dimmed(small, light))
        movers.append(parts.mover([picture], height_m=height_m, path=path, faces=faces, room=room))
    return movers
