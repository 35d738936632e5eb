"""Where commands look and write unless told otherwise."""

from pathlib import Path

VIDEOS, SHARDS = Path("data/videos"), Path("data/shards")
WEIGHTS = Path("data/weights")
