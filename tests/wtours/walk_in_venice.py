"""How the tests of sharding cut up the small walk in Venice, and what is in a folder afterwards."""

from fractions import Fraction
from pathlib import Path

from wtours.shard_settings import ShardSettings

PLAIN = ShardSettings(fps=Fraction(2), blur=None, short_side_px=60)


def leftovers(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir()) if out.exists() else []
