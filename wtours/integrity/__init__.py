"""What is wrong with a video file: cut short, other than promised, or pictures that stand still.

`check_video` refuses what cannot be decoded to its end; `verify_video` compares a file with all
that was said of it and looks at some of its pictures.
"""

from wtours.integrity.check import VideoFacts, check_video

__all__ = ["VideoFacts", "check_video"]
