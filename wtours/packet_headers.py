"""What the first bytes of a packet tell, without decoding: may decoding begin, may others need it.

Pure functions on bytes. Only what is certain is told: a packet that is odd in any way counts as one
that others need, and as one where decoding must not begin.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_HEADER_BYTES = 64
"""More than any header read here has."""
_START_CODE = b"\x00\x00\x01"
_TRUSTED = frozenset(
    {"dnxhd", "ffv1", "ffvhuff", "huffyuv", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "png"}
    | {"prores", "rawvideo", "utvideo"}
)
"""Nothing that is shown from a keyframe on needs a picture before it, whatever the encoder did."""


@dataclass(frozen=True, kw_only=True)
class PacketUse:
    """What a packet's pictures are to the others."""

    clean_start: bool = False
    """Decoding may begin here: what is shown from its picture on needs no packet before it."""
    referenced: bool = True
    """Whether a picture of the same level may need it."""
    level: int = 0
    """Temporal sub-layer. No picture needs one of a higher level; higher ones may need this."""
    shown: bool = True
    """Whether it shows a picture."""


PacketReader = Callable[[bytes, bool], PacketUse]
"""Takes a packet's bytes, and whether the container calls it a keyframe. In file order, from a
keyframe on: an AV1 reader remembers the sequence header."""


class _OddError(Exception):
    """A header ends too early, or is of a kind that is not read."""


def packet_reader(codec: str, extradata: bytes | None) -> PacketReader:
    """Return what reads the packets of a stream.

    Args:
        codec: FFmpeg's name of the format, such as `h264`.
        extradata: what the container holds of the stream outside of its packets.
    """
    extradata = extradata or b""
    if codec in ("h264", "hevc"):
        # avcC and hvcC state how long lengths are (ISO/IEC 14496-15); others have start codes.
        stated = extradata[4 if codec == "h264" else 21 :][:1] if extradata[:1] == b"\x01" else b""
        length_bytes = (stated[0] & 3) + 1 if stated else 0
        read = _h264 if codec == "h264" else _hevc
        return lambda data, key: read(data, length_bytes)
    if codec == "av1":
        return _Av1(extradata)
    if codec == "vp9":
        return lambda data, key: _vp9(data)
    if codec == "vp8":
        return lambda data, key: _vp8(data)
    return lambda data, key: PacketUse(clean_start=key and codec in _TRUSTED)


class _Bits:
    """Reads numbers from bytes, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def __call__(self, count: int) -> int:
        """Return the next `count` bits.

        Raises:
            _OddError: there are not so many.
        """
        self._left -= count
        if self._left < 0:
            raise _OddError
        return (self._value >> self._left) & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Return the next ue(v) of H.264, 9.1, which is uvlc() of AV1, too."""
        zeros = 0
        while not self(1):
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Give the NAL units of a packet: with their lengths before them, or (0) between start codes.

    Raises:
        _OddError: a unit is longer than the packet.
    """
    if length_bytes == 0:
        at = data.find(_START_CODE)
        while at >= 0:
            end = data.find(_START_CODE, at + 3)
            yield data[at + 3 : end if end >= 0 else len(data)]
            at = end
        return
    at = 0
    while at < len(data):
        start = at + length_bytes
        at = start + int.from_bytes(data[at:start], "big")
        if start >= at or at > len(data):
            raise _OddError
        yield data[start:at]


def _h264(data: bytes, length_bytes: int) -> PacketUse:
    """Read an access unit of H.264: nal_ref_idc and nal_unit_type, 7.3.1."""
    slices, droppable, clean_start = 0, True, False
    try:
        for unit in _units(data, length_bytes):
            kind, ref_idc = unit[0] & 31, unit[0] >> 5 & 3
            if kind in (1, 5):
                slices += 1
                clean_start |= kind == 5
                droppable &= kind == 1 and ref_idc == 0
            elif kind == 6:
                clean_start |= _recovers_at_once(unit)
            else:
                droppable &= kind in (9, 12)  # a delimiter, filling
    except (_OddError, IndexError):
        return PacketUse()
    return PacketUse(clean_start=clean_start and slices > 0, referenced=not (droppable and slices))


def _recovers_at_once(unit: bytes) -> bool:
    """Whether a SEI unit of H.264 says that all from here on is exact (D.1.8, D.2.8)."""
    payload = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 < len(payload):
        kind, at = _sei_number(payload, at)
        size, at = _sei_number(payload, at)
        if kind == 6:
            bits = _Bits(payload[at : at + size])
            frames, exact, broken = bits.exp_golomb(), bits(1), bits(1)
            return frames == 0 and exact == 1 and broken == 0
        at += size
    return False


def _sei_number(payload: bytes, at: int) -> tuple[int, int]:
    number = 0
    while payload[at] == 255:
        number, at = number + 255, at + 1
    return number + payload[at], at + 1


def _hevc(data: bytes, length_bytes: int) -> PacketUse:
    """Read an access unit of HEVC: nal_unit_type and nuh_temporal_id_plus1, 7.3.1.2, 7.4.2.2."""
    kinds, levels, odd = set[int](), set[int](), False
    try:
        for unit in _units(data, length_bytes):
            kind, layer, level = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, unit[1] & 7
            if layer:
                odd = True  # a second view or a finer one, which might use this one
            elif kind < 32:
                kinds.add(kind)
                levels.add(level - 1)
            else:
                odd |= kind not in (35, 38, 39, 40)  # a delimiter, filling, messages
    except (_OddError, IndexError):
        return PacketUse()
    if not kinds or len(levels) != 1:
        return PacketUse()
    return PacketUse(
        clean_start=all(16 <= kind <= 21 for kind in kinds),  # BLA, IDR and CRA
        referenced=odd or any(kind > 14 or kind % 2 for kind in kinds),
        level=levels.pop(),
    )


def _vp8(data: bytes) -> PacketUse:
    """Read a frame header of VP8 (RFC 6386, 9.1). Which pictures it replaces is entropy coded."""
    if not data:
        return PacketUse()
    return PacketUse(clean_start=not data[0] & 1, shown=bool(data[0] >> 4 & 1))


def _vp9(data: bytes) -> PacketUse:
    """Read the frame headers of a packet of VP9 (bitstream specification, 6.2 and annex B).

    All count as referenced: motion vectors, the loop filter's deltas and the segments of a frame
    go over to the next one in the file (5.20, 7.4), whether its picture is kept or not.
    """
    try:
        headers = [_vp9_frame(frame) for frame in _vp9_frames(data)]
    except _OddError:
        return PacketUse()
    return PacketUse(
        clean_start=headers[0] == (True, True), shown=any(shown for _, shown in headers)
    )


def _vp9_frames(data: bytes) -> list[bytes]:
    """Return the frames of a superframe, or the one there is."""
    last = data[-1] if data else 0
    count, width = (last & 7) + 1, (last >> 3 & 3) + 1
    index = data[-(2 + width * count) :]
    if last >> 5 != 6 or len(index) != 2 + width * count or index[0] != last:
        return [data]
    sizes = [
        int.from_bytes(index[1 + width * n : 1 + width * (n + 1)], "little") for n in range(count)
    ]
    starts = [sum(sizes[:n]) for n in range(count)]
    return [data[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def _vp9_frame(frame: bytes) -> tuple[bool, bool]:
    """Return whether a frame is a keyframe, and whether it shows a picture."""
    bits = _Bits(frame[:4])
    if bits(2) != 2:
        raise _OddError
    profile = bits(1) | bits(1) << 1
    if profile == 3:
        bits(1)
    if bits(1):
        return False, True  # shows one that is there already
    return bits(1) == 0, bits(1) == 1


class _Av1:
    """Reads temporal units of AV1 (bitstream specification, 5.3 to 5.9)."""

    def __init__(self, extradata: bytes) -> None:
        self._sequence: _Av1Sequence | None = None
        if extradata[:1] == b"\x81":  # av1C: four bytes, then OBUs
            self(extradata[4:], False)

    def __call__(self, data: bytes, key: bool) -> PacketUse:
        clean_start, referenced, shown, frames, new = False, False, False, 0, False
        try:
            for kind, payload in _obus(data):
                if kind == 1:
                    self._sequence, new = _av1_sequence(payload), True
                elif kind in (3, 6):
                    if self._sequence is None:
                        return PacketUse()
                    frame = _av1_frame(payload, self._sequence)
                    clean_start |= frames == 0 and frame.key and frame.shown
                    referenced |= frame.refreshes
                    shown |= frame.shown
                    frames += 1
        except _OddError:
            return PacketUse()
        return PacketUse(
            clean_start=clean_start, referenced=referenced or new or not frames, shown=shown
        )


@dataclass(frozen=True, kw_only=True)
class _Av1Sequence:
    """What a frame header cannot be read without."""

    id_bits: int
    """Of a frame's number; 0 without."""
    screen_content: int
    """0 or 1 for all frames; 2: each says."""
    integer_mv: int
    """0 or 1 for all frames; 2: each says."""
    order_bits: int


def _av1_sequence(payload: bytes) -> _Av1Sequence:
    """Read sequence_header_obu, 5.5.1.

    Raises:
        _OddError: it is cut, is of a still picture, or has layers or a decoder's timing model.
    """
    bits = _Bits(payload)
    bits(4)  # profile, still_picture
    if bits(1):
        raise _OddError
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
    return _Av1Sequence(
        id_bits=id_bits,
        screen_content=screen_content,
        integer_mv=integer_mv,
        order_bits=order_bits,
    )


def _skip_operating_points(bits: _Bits) -> None:
    if bits(1):  # timing
        bits(64)
        if bits(1):
            bits.exp_golomb()
        if bits(1):
            raise _OddError
    delayed = bits(1)
    for _ in range(bits(5) + 1):
        if bits(12):
            raise _OddError  # layers: a temporal unit then has several shown frames
        if bits(5) > 7:
            bits(1)
        if delayed and bits(1):
            bits(4)


@dataclass(frozen=True, kw_only=True)
class _Av1Frame:
    key: bool
    shown: bool
    refreshes: bool
    """Whether later frames may be made from it."""


def _av1_frame(payload: bytes, sequence: _Av1Sequence) -> _Av1Frame:
    """Read uncompressed_header up to refresh_frame_flags, 5.9.2."""
    bits = _Bits(payload)
    if bits(1):  # shows one that is there; a keyframe then replaces all others (7.21)
        return _Av1Frame(key=False, shown=True, refreshes=True)
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
    return _Av1Frame(key=key, shown=bool(shown), refreshes=refreshes)


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and first bytes of the OBUs of a temporal unit, 5.3.

    Raises:
        _OddError: one is longer than the unit, or of a spatial layer.
    """
    at = 0
    while at < len(data):
        header = data[at]
        at += 1
        if header >> 2 & 1:
            if data[at : at + 1] and data[at] >> 3 & 3:
                raise _OddError
            at += 1
        size = len(data) - at
        if header >> 1 & 1:
            size, at = _leb128(data, at)
        if at + size > len(data):
            raise _OddError
        yield header >> 3 & 15, data[at : at + min(size, _HEADER_BYTES)]
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(8):
        if at >= len(data):
            raise _OddError
        byte = data[at]
        number, at = number | (byte & 127) << 7 * place, at + 1
        if not byte & 128:
            break
    return number, at
