"""What is wrong with a video file: cut short, other than promised, or pictures that stand still.

`check_video` refuses what cannot be decoded to its end; `verify_video` compares a file with all
that was said of it and looks at some of its pictures.
"""

from wtours.integrity.check import check_and_walk, check_video, check_walk_and_hash
from wtours.integrity.comparison import compare_said
from wtours.integrity.facts import VideoFacts
from wtours.integrity.stretches import Stretch
from wtours.integrity.verification import Check, Expected, Verification
from wtours.integrity.verify import verify_video

__all__ = [
    "Check",
    "Expected",
    "Stretch",
    "Verification",
    "VideoFacts",
    "check_and_walk",
    "check_video",
    "check_walk_and_hash",
    "compare_said",
    "verify_video",
]
