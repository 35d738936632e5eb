"""Plain loops for the statistics of objects: boxes and ticks as lists."""

from collections.abc import Mapping, Sequence

Box = tuple[str, int, int, float]
"""video, tick, class, score"""
Tick = tuple[str, int, float]
"""video, tick, time in seconds"""


def counted(boxes: Sequence[Box], ticks: Sequence[Tick], threshold: float) -> list[Box]:
    looked = {(video, tick) for video, tick, _ in ticks}
    return [box for box in boxes if box[3] >= threshold and box[:2] in looked]


def per_frame(
    boxes: Sequence[Box], ticks: Sequence[Tick], threshold: float
) -> list[tuple[int, int]]:
    found = counted(boxes, ticks, threshold)
    rows = []
    for video, tick, _ in ticks:
        here = [box[2] for box in found if box[:2] == (video, tick)]
        rows.append((len(set(here)), len(here)))
    return rows


def frequencies(
    boxes: Sequence[Box], ticks: Sequence[Tick], threshold: float, units: Mapping[str, str]
) -> list[tuple[str, int, int, int, float, int]]:
    """Unit, class, instances, frames, share of frames, rank."""
    found = counted(boxes, ticks, threshold)
    rows = []
    for unit in dict.fromkeys(units.values()):
        mine = [box for box in found if units.get(box[0]) == unit]
        looked = sum(units.get(tick[0]) == unit for tick in ticks)
        classes = {box[2] for box in mine}
        counts = [
            (
                -sum(box[2] == number for box in mine),
                -len({box[:2] for box in mine if box[2] == number}),
                number,
            )
            for number in classes
        ]
        for rank, (instances, frames, number) in enumerate(sorted(counts), start=1):
            rows.append((unit, number, -instances, -frames, -frames / looked, rank))
    return rows


def accumulated(
    boxes: Sequence[Box], ticks: Sequence[Tick], threshold: float
) -> dict[str, list[tuple[int, int, int]]]:
    """Of each video looked at, its minutes: ticks, new classes, classes until then."""
    found = counted(boxes, ticks, threshold)
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for video in dict.fromkeys(tick[0] for tick in ticks):
        minute_of = {tick: int(time_s // 60) for name, tick, time_s in ticks if name == video}
        seen: set[int] = set()
        rows[video] = []
        for minute in range(max(minute_of.values()) + 1):
            here = {box[2] for box in found if box[0] == video and minute_of[box[1]] == minute}
            new = here - seen
            seen |= here
            looked = sum(each == minute for each in minute_of.values())
            rows[video].append((looked, len(new), len(seen)))
    return rows
