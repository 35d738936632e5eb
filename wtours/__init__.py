"""Walking Tours: first-person videos turned into training data that can be trusted.

Public names are resolved when first used, so that reading shards needs no video library.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "Manifest": "wtours.manifest",
    "Video": "wtours.manifest",
    "open_video": "wtours.video",
    "SourceVideos": "wtours.source_videos",
    "CutSettings": "wtours.stages.cuts",
    "find_cuts": "wtours.stages.cuts",
    "open_shards": "wtours.shards",
    "WtoursError": "wtours.errors",
}

__all__ = [
    "CutSettings",
    "Manifest",
    "SourceVideos",
    "Video",
    "WtoursError",
    "__version__",
    "find_cuts",
    "open_shards",
    "open_video",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'wtours' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
