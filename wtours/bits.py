"""Reads numbers of any number of bits, as headers of coded video hold them."""


class OddError(Exception):
    """A header ends too early, or is of a kind that is not read."""


class Bits:
    """Reads numbers from bytes, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def __call__(self, count: int) -> int:
        """Return the next `count` bits.

        Raises:
            OddError: there are not so many.
        """
        self._left -= count
        if self._left < 0:
            raise OddError
        return (self._value >> self._left) & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Return the next ue(v) of H.264, 9.1, which is uvlc() of AV1, too."""
        zeros = 0
        while not self(1):
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)
