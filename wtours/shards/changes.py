"""What making a shard set changed of its videos, and the page of attribution that says so."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtours.publishing.credit import UNKNOWN, attribution_page
from wtours.shards.schema import VideoRecord


def set_attribution(videos: Sequence[VideoRecord], settings: Mapping[str, Any]) -> str:
    """Return the text of a set's ATTRIBUTION.md.

    Args:
        videos: the records of the set's videos.
        settings: those of its dataset record.
    """
    known = {video.name: video.credit or video.attribution or UNKNOWN for video in videos}
    return attribution_page(known, changed=changes(settings))


def changes(settings: Mapping[str, Any]) -> str:
    """Return in words what was done to the videos (CC BY 4.0, section 3(a)(1)(B))."""
    rate = settings.get("fps")
    pictures = "picture" if rate == "1" else "pictures"
    kept = "every picture kept" if rate == "native" else f"{rate} {pictures} a second kept"
    blur = settings.get("blur")
    faces = "faces covered" if blur else "faces left as they are"
    if blur and blur.get("plates"):
        faces = "faces and licence plates covered"
    return (
        f"{kept}, scaled to a shorter side of at most {settings.get('short_side_px')} pixels, "
        f"{faces}, stored as JPEG; sound left out"
    )
