"""How the sample walk's camera goes: steps, sway, glances to the side, and a slower pace where
somebody is met.
"""

from dataclasses import dataclass

import numpy as np

from wtours.sample_world.scene import Pose

EYE_M = 1.6
PACE_M_PER_S = 1.35
STEP_HZ = 1.9
"""Steps per second of a stroll at this pace."""
_MEETING_S = 3.0
"""How long the pace is slower around a meeting."""
_MEETING_LOSS_M = 1.7
"""How much less way is made because of it: the pace falls by 1.06 m/s at most, and never below
zero."""
_DODGE_M = 0.4
_GLANCE_S = 2.2
"""Time to turn the head, and again to turn it back: at 0.45 rad it peaks at 22 degrees a second."""
_GLANCE_HOLD_S = 1.0


def ease(share: float) -> float:
    """Return 6x^5 - 15x^4 + 10x^3 of x clipped to [0, 1]: a rise whose speed and acceleration begin
    and end at 0.
    """
    x = min(max(share, 0.0), 1.0)
    return x**3 * (x * (6 * x - 15) + 10)


@dataclass(frozen=True, kw_only=True)
class Glance:
    """A turn of the head.

    Args:
        start_s: when in the shot it begins.
        yaw: how far, radians to the right.
    """

    start_s: float
    yaw: float

    def yaw_at(self, shot_s: float) -> float:
        """Return its part of the yaw at a time of the shot."""
        there = ease((shot_s - self.start_s) / _GLANCE_S)
        back = ease((shot_s - self.start_s - _GLANCE_S - _GLANCE_HOLD_S) / _GLANCE_S)
        return self.yaw * (there - back)


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Somebody is met.

    Args:
        shot_s: when the camera is slowest.
        side: -1 where the other stands to the left, 1 to the right; the camera gives way.
    """

    shot_s: float
    side: int


@dataclass(frozen=True, kw_only=True)
class Stroll:
    """The camera's way through one shot.

    Args:
        duration_s: length of the shot.
        phase: radians; another one sways otherwise.
        meetings, glances: what happens on the way.
    """

    duration_s: float
    phase: float
    meetings: tuple[Meeting, ...]
    glances: tuple[Glance, ...]

    def way_m(self, shot_s: float) -> float:
        """Return how far along the street the camera is."""
        lost = sum(ease((shot_s - m.shot_s) / _MEETING_S + 0.5) for m in self.meetings)
        return PACE_M_PER_S * shot_s - _MEETING_LOSS_M * lost

    def aside_m(self, shot_s: float) -> float:
        """Return how far right of the street's middle the camera is."""
        drift = 0.25 * np.sin(shot_s * 0.55 + self.phase) + 0.12 * np.sin(
            shot_s * 1.05 + 2 * self.phase
        )
        for meeting in self.meetings:
            since = shot_s - meeting.shot_s
            drift -= meeting.side * _DODGE_M * (ease(since / 3 + 1) - ease((since - 2.5) / 3))
        return float(drift)

    def pose(self, shot_s: float) -> Pose:
        """Return the camera at a time of the shot."""
        steps = 2 * np.pi * STEP_HZ * shot_s
        sway = np.sin(steps / 2 + self.phase)
        place = np.array(
            [
                self.aside_m(shot_s) + 0.025 * sway,
                EYE_M + 0.028 * np.sin(steps),
                self.way_m(shot_s),
            ]
        )
        yaw = 0.05 * np.sin(shot_s * 0.8 + self.phase) + 0.006 * sway
        yaw += sum(glance.yaw_at(shot_s) for glance in self.glances)
        pitch = -0.015 + 0.02 * np.sin(shot_s * 0.43 + self.phase) + 0.005 * np.sin(steps + 0.6)
        roll = 0.006 * sway + 0.006 * np.sin(shot_s * 0.7)
        return Pose(place=place, yaw=float(yaw), pitch=float(pitch), roll=float(roll))


def plan_stroll(duration_s: float, *, rng: np.random.Generator) -> Stroll:
    """Spread meetings (one in 8 s, at least one) over a shot, and a glance to alternate sides
    between any two.
    """
    count = max(1, round(duration_s / 8))
    side = int(rng.choice([-1, 1]))
    between_s = duration_s / count
    meetings = tuple(
        Meeting(shot_s=(k + 0.5) * between_s, side=side * (-1) ** k) for k in range(count)
    )
    half_s = _GLANCE_S + _GLANCE_HOLD_S / 2
    glances = tuple(
        Glance(start_s=(k + 1) * between_s - half_s, yaw=0.45 * side * (-1) ** k)
        for k in range(count - 1)
    )
    phase = float(rng.uniform(0, 2 * np.pi))
    return Stroll(duration_s=duration_s, phase=phase, meetings=meetings, glances=glances)
