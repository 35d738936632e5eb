"""What the first bytes of a temporal unit of AV1 tell, without decoding.

Sections are those of the AV1 bitstream and decoding process specification.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wtours.bits import Bits, OddError

_HEADER_BYTES = 64
"""More than any header read here has."""


@dataclass(frozen=True, kw_only=True)
class TemporalUnit:
    """What the frames of a packet are to the others."""

    clean_start: bool = False
    """Whether it begins with a keyframe that is shown, which makes all before it forgotten."""
    referenced: bool = True
    """Whether it leaves anything that later frames may be made from."""
    shown: bool = True
    """Whether it shows a picture."""


class Av1Reader:
    """Reads temporal units of AV1 (bitstream specification, 5.3 to 5.9)."""

    def __init__(self, extradata: bytes) -> None:
        self._sequence: _Sequence | None = None
        if extradata[:1] == b"\x81":  # av1C: four bytes, then OBUs
            self(extradata[4:])

    def __call__(self, data: bytes) -> TemporalUnit:
        """Read one; one that is odd counts as referenced, and as no clean start."""
        clean_start, referenced, shown, frames, new = False, False, False, 0, False
        try:
            for kind, payload in _obus(data):
                if kind == 1:
                    self._sequence, new = None, True  # an odd one must not leave the last
                    self._sequence = _sequence_header(payload)
                elif kind in (3, 6):
                    if self._sequence is None:
                        return TemporalUnit()
                    frame = _frame(payload, self._sequence)
                    clean_start |= frames == 0 and frame.key and frame.shown
                    referenced |= frame.refreshes
                    shown |= frame.shown
                    frames += 1
        except OddError:
            return TemporalUnit()
        return TemporalUnit(
            clean_start=clean_start, referenced=referenced or new or not frames, shown=shown
        )


@dataclass(frozen=True, kw_only=True)
class _Sequence:
    """What a frame header cannot be read without."""

    id_bits: int
    """Of a frame's number; 0 without."""
    screen_content: int
    """0 or 1 for all frames; 2: each says."""
    integer_mv: int
    """0 or 1 for all frames; 2: each says."""
    order_bits: int


def _sequence_header(payload: bytes) -> _Sequence:
    """Read sequence_header_obu, 5.5.1.

    Raises:
        OddError: it is cut, is of a still picture, or has layers or a decoder's timing model.
    """
    bits = Bits(payload)
    bits(4)  # profile, still_picture
    if bits(1):
        raise OddError
    _skip_operating_points(bits)
    size_bits = bits(4) + 1, bits(4) + 1
    bits(sum(size_bits))
    id_bits = bits(4) + bits(3) + 3 if bits(1) else 0
    bits(7)  # tools, up to dual_filter
    ordered = bits(1)
    bits(2 * ordered)
    screen_content = 2 if bits(1) else bits(1)
    integer_mv = 2 if not screen_content or bits(1) else bits(1)
    order_bits = bits(3) + 1 if ordered else 0
    return _Sequence(
        id_bits=id_bits,
        screen_content=screen_content,
        integer_mv=integer_mv,
        order_bits=order_bits,
    )


def _skip_operating_points(bits: Bits) -> None:
    if bits(1):  # timing
        bits(64)
        if bits(1):
            bits.exp_golomb()
        if bits(1):
            raise OddError
    delayed = bits(1)
    for _ in range(bits(5) + 1):
        if bits(12):
            raise OddError  # layers: a temporal unit then has several shown frames
        if bits(5) > 7:
            bits(1)
        if delayed and bits(1):
            bits(4)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    key: bool
    shown: bool
    refreshes: bool
    """Whether later frames may be made from it."""


def _frame(payload: bytes, sequence: _Sequence) -> _Frame:
    """Read uncompressed_header up to refresh_frame_flags, 5.9.2."""
    bits = Bits(payload)
    if bits(1):  # shows one that is there; a keyframe then replaces all others (7.21)
        return _Frame(key=False, shown=True, refreshes=True)
    kind, shown = bits(2), bits(1)
    key, intra, switch = kind == 0, kind in (0, 2), kind == 3
    if not shown:
        bits(1)  # showable_frame
    resilient = 1 if switch or (key and shown) else bits(1)
    bits(1)  # disable_cdf_update
    if (bits(1) if sequence.screen_content == 2 else sequence.screen_content) and (
        sequence.integer_mv == 2
    ):
        bits(1)
    bits(sequence.id_bits)
    if not switch:
        bits(1)  # frame_size_override_flag
    bits(sequence.order_bits)
    if not intra and not resilient:
        bits(3)  # primary_ref_frame
    refreshes = bool(switch or (key and shown) or bits(8))
    return _Frame(key=key, shown=bool(shown), refreshes=refreshes)


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and first bytes of the OBUs of a temporal unit, 5.3.

    Raises:
        OddError: one is longer than the unit, or of a spatial layer.
    """
    at = 0
    while at < len(data):
        header = data[at]
        at += 1
        if header >> 2 & 1:
            if data[at : at + 1] and data[at] >> 3 & 3:
                raise OddError
            at += 1
        size = len(data) - at
        if header >> 1 & 1:
            size, at = _leb128(data, at)
        if at + size > len(data):
            raise OddError
        yield header >> 3 & 15, data[at : at + min(size, _HEADER_BYTES)]
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(8):
        if at >= len(data):
            raise OddError
        byte = data[at]
        number, at = number | (byte & 127) << 7 * place, at + 1
        if not byte & 128:
            break
    return number, at
