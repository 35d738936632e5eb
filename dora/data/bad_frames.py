"""Damaged pictures, each told once by a process, however many clips it was to be part of.

Of several that train, each tells those of its own clips.
"""

import sys
from collections.abc import Sequence

from dora.data.reading import Replaced


class BadFrames:
    """Tells of damaged pictures on stderr.

    Args:
        sets: the folder or address of each set.
    """

    def __init__(self, sets: Sequence[str]) -> None:
        self._sets = tuple(sets)
        self._told: set[tuple[int, int]] = set()

    def tell(self, replaced: Sequence[Replaced]) -> None:
        """Name the set, the row and the fault of every picture that was not told of before."""
        for each in replaced:
            if (each.set_number, each.row) not in self._told:
                self._told.add((each.set_number, each.row))
                print(
                    f"warning: {self._sets[each.set_number]}, row {each.row}: {each.reason}; the "
                    "nearest good picture is taken instead",
                    file=sys.stderr,
                )
