"""Names of classes that can be told apart, and those of COCO in the order of its detectors."""

from collections import Counter
from collections.abc import Sequence

_COCO = """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
    fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow,
    elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee,
    skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
    tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple,
    sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
    potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone,
    microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
    hair drier, toothbrush
"""
COCO_NAMES: tuple[str, ...] = tuple(" ".join(_COCO.split()).split(", "))
"""The 80 classes of COCO's detection task in the order of their ids (cocodataset.org, annotations
under CC BY 4.0), which is the order of YOLOX's outputs."""


def told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, those of several classes with their number: a column needs one of each.

    >>> told_apart(["cup", "N/A", "N/A"])
    ('cup', 'N/A (1)', 'N/A (2)')
    """
    count = Counter(names)
    return tuple(
        f"{name} ({number})" if count[name] > 1 else name for number, name in enumerate(names)
    )
