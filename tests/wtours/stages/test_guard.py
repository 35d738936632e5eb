from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtours.audit_boxes import hidden_share
from wtours.shards import Box
from wtours.stages.blur import BlurSettings, BlurStage
from wtours.stages.guard import GROWTH_PER_S, GuardRule, GuardWindow, Seen, grown, may_be_one, pair
from wtours.video import open_video

BASE = Fraction(1, 30)
SIZE = (320, 240)


def box(x: float, y: float = 100, side: float = 40, score: float = 0.9, kind: str = "face") -> Box:
    """Return a square box around a middle."""
    half = side / 2
    return Box(x0=x - half, y0=y - half, x1=x + half, y1=y + half, score=score, kind=kind)


def seen(*found: tuple[Box, ...]) -> list[Seen]:
    return [Seen(pts=pts, boxes=boxes) for pts, boxes in enumerate(found)]


def rule(reach_pts: int = 6) -> GuardRule:
    return GuardRule(reach_pts=reach_pts, time_base=BASE, size=SIZE)


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer.x0 <= inner.x0 <= inner.x1 <= outer.x1
        and outer.y0 <= inner.y0 <= inner.y1 <= outer.y1
    )


def test_a_face_missed_once_is_covered_from_both_sides() -> None:
    found = [(box(100 + 2 * n),) for n in range(9)]
    found[4] = ()
    guards = rule().guards(seen(*found)[4], seen(*found))
    assert [guard.kind for guard in guards] == ["face-guard", "face-guard"]
    assert all(inside(box(108, side=38), guard) for guard in guards)


def test_a_face_found_everywhere_gives_no_guards() -> None:
    pictures = seen(*[(box(100 + 5 * n), box(200 + 5 * n)) for n in range(9)])
    assert [rule().guards(one, pictures) for one in pictures] == [()] * 9


def test_the_one_of_two_that_was_missed_is_covered() -> None:
    pictures = seen((box(100), box(150)), (box(152),), (box(104), box(154)))
    guards = rule().guards(pictures[1], pictures)
    assert len(guards) == 2
    assert all(inside(box(102, side=36), guard) for guard in guards)
    assert not any(inside(box(152, side=36), guard) for guard in guards)


def test_guards_reach_as_far_as_they_are_told_and_no_further() -> None:
    found: list[tuple[Box, ...]] = [()] * 15
    found[7] = (box(100),)
    pictures = seen(*found)
    covered = [bool(rule(3).guards(one, pictures)) for one in pictures]
    assert covered == [4 <= n <= 10 and n != 7 for n in range(15)]
    assert not any(rule(0).guards(one, pictures) for one in pictures)


def test_a_guard_grows_with_its_distance_inside_of_the_picture() -> None:
    found: list[tuple[Box, ...]] = [()] * 7
    found[0] = (box(100, side=20, score=0.3),)
    pictures = seen(*found)
    for distance in range(1, 7):
        (guard,) = rule().guards(pictures[distance], pictures)
        by = GROWTH_PER_S * distance / 30 * 20
        assert guard.x0 == pytest.approx(90 - by)
        assert guard.y1 == pytest.approx(110 + by)
        assert guard.score == 0.3
    edge = grown(box(10, 235), distance_s=10, size=SIZE)
    assert (edge.x0, edge.y0, edge.x1, edge.y1) == (0, 0, 320, 240)


def test_a_plate_is_no_face() -> None:
    pictures = seen((box(100, kind="plate"),), (box(100, kind="face"),))
    (guard,) = rule().guards(pictures[1], pictures)
    assert guard.kind == "plate-guard"


def test_order_of_the_pictures_around_does_not_matter() -> None:
    pictures = seen((box(100),), (box(190), box(104)), (), (box(112),), (box(116), box(60)))
    expected = rule().guards(pictures[2], pictures)
    for order in permutations(pictures):
        assert rule().guards(pictures[2], order) == expected


def paired(found: list[Box], before: list[Box], *, unseen_s: float) -> list[int]:
    one, other = Seen(pts=1, boxes=tuple(found)), Seen(pts=0, boxes=tuple(before))
    since = np.full(len(before), unseen_s)
    may = may_be_one(one, other.corners, other.kinds, unseen_s=since)
    return pair(one.corners, other.corners, may=may).tolist()


def test_pairs_are_those_of_nearest_middles_each_once() -> None:
    places = [box(100), box(110), box(300)]
    assert paired([box(108), box(104)], places, unseen_s=0) == [1, 0]
    assert paired([box(100, side=90)], places, unseen_s=1) == [-1], "more than twice the size"
    assert paired([box(121)], [box(100)], unseen_s=0) == [-1]
    assert paired([box(121)], [box(100)], unseen_s=0.1) == [0], "it may have moved meanwhile"
    assert paired([box(100, kind="plate")], [box(100)], unseen_s=0) == [-1]
    assert paired([], places, unseen_s=0) == []
    assert paired([box(100)], [], unseen_s=0) == [-1]


def plain_guards(at: int, pictures: list[Seen], reach: int) -> list[Box]:
    """Follow every box back to the picture, one chain after the other."""
    guards = []
    for step in (-1, 1):
        chains = [(one, pictures[at].pts) for one in pictures[at].boxes]
        n = at + step
        while 0 <= n < len(pictures) and abs(pictures[n].pts - pictures[at].pts) <= reach:
            boxes = list(pictures[n].boxes)
            free_boxes, free_chains = set(range(len(boxes))), set(range(len(chains)))
            ended = len(chains)
            while True:
                best = None
                for b in sorted(free_boxes):
                    for c in sorted(free_chains):
                        one, (other, when) = boxes[b], chains[c]
                        middle = np.asarray([other.x0 + other.x1, other.y0 + other.y1]) / 2
                        sides = sorted(max(o.x1 - o.x0, o.y1 - o.y0) for o in (one, other))
                        far = 2.0 * abs(pictures[n].pts - when) / 30
                        far *= max(one.x1 - one.x0, one.y1 - one.y0)
                        holds = (
                            one.x0 - far <= middle[0] <= one.x1 + far
                            and one.y0 - far <= middle[1] <= one.y1 + far
                            and sides[1] <= 2 * sides[0]
                            and one.kind == other.kind
                        )
                        own = np.asarray([one.x0 + one.x1, one.y0 + one.y1]) / 2
                        apart = float(((own - middle) ** 2).sum() ** 0.5)
                        if holds and (best is None or apart < best[0] - 1e-9):
                            best = (apart, b, c)
                if best is None:
                    break
                free_boxes.remove(best[1])
                free_chains.remove(best[2])
                chains[best[2]] = (boxes[best[1]], pictures[n].pts)
            assert len(chains) == ended
            for b in sorted(free_boxes):
                by = 2.0 * abs(pictures[n].pts - pictures[at].pts) / 30
                one = boxes[b]
                side = max(one.x1 - one.x0, one.y1 - one.y0)
                guards.append(
                    Box(
                        x0=max(0, one.x0 - by * side),
                        y0=max(0, one.y0 - by * side),
                        x1=min(SIZE[0], one.x1 + by * side),
                        y1=min(SIZE[1], one.y1 + by * side),
                        score=one.score,
                        kind=f"{one.kind}-guard",
                    )
                )
                chains.append((one, pictures[n].pts))
            n += step
    return guards


boxes = st.builds(
    box,
    x=st.integers(20, 300),
    y=st.integers(90, 110),
    side=st.sampled_from([16.0, 30.0, 50.0]),
    kind=st.sampled_from(["face", "plate"]),
)
walks = st.lists(
    st.tuples(st.integers(1, 4), st.lists(boxes, max_size=3)), min_size=1, max_size=8
).map(
    lambda steps: [
        Seen(pts=sum(gap for gap, _ in steps[: n + 1]), boxes=tuple(found))
        for n, (_, found) in enumerate(steps)
    ]
)


def corners(found: list[Box] | tuple[Box, ...]) -> list[tuple[float, ...]]:
    return [(b.x0, b.y0, b.x1, b.y1) for b in found]


@given(walks, st.integers(0, 9))
def test_guards_are_those_of_the_plain_version(pictures: list[Seen], reach: int) -> None:
    for at, one in enumerate(pictures):
        found, plain = rule(reach).guards(one, pictures), plain_guards(at, pictures, reach)
        assert [guard.kind for guard in found] == [guard.kind for guard in plain]
        np.testing.assert_allclose(
            np.reshape(corners(found), (-1, 4)), np.reshape(corners(plain), (-1, 4)), atol=1e-9
        )


@given(walks, st.integers(0, 9), st.data())
def test_a_window_gives_the_guards_of_all_pictures_at_once(
    pictures: list[Seen], reach: int, data: st.DataObject
) -> None:
    """Some pictures are only looked at, as those of neighbouring stretches are."""
    held = data.draw(st.lists(st.booleans(), min_size=len(pictures), max_size=len(pictures)))
    window: GuardWindow[int] = GuardWindow(rule(reach))
    given_out: list[tuple[int, tuple[Box, ...]]] = []
    for number, one in enumerate(pictures):
        given_out += window.add(one, number if held[number] else None)
    given_out += window.finish()
    wanted = [number for number in range(len(pictures)) if held[number]]
    assert given_out == [(n, rule(reach).guards(pictures[n], pictures)) for n in wanted]


def test_a_window_holds_no_more_than_what_is_in_reach() -> None:
    window: GuardWindow[int] = GuardWindow(rule(5))
    waiting = 0
    for pts in range(100):
        waiting += 1 - len(window.add(Seen(pts=pts, boxes=()), pts))
        assert waiting <= 6
        assert len(window._seen) <= 2 * 6


@pytest.mark.media
def test_a_face_of_the_kitchen_missed_in_any_one_picture_is_covered(media: Path) -> None:
    settings = BlurSettings()
    with open_video(media / "kitchen_faces_2560.mp4") as reader:
        stage = BlurStage(settings, settings.open_detectors(), picture_size=(683, 512))
        pictures = [Seen(pts=frame.pts, boxes=stage.find(frame)) for frame in reader]
        rule = settings.guard_rule(time_base=reader.time_base, size=(683, 512))
    for at, one in enumerate(pictures):
        missed = Seen(pts=one.pts, boxes=())
        guards = rule.guards(missed, [*pictures[:at], *pictures[at + 1 :]])
        faces = [face for face in one.boxes if face.score > 0.5]
        assert len(faces) == 2
        assert all(hidden_share(face, guards, margin=settings.margin) == 1 for face in faces)
