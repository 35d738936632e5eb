"""What the first bytes of a packet tell, without decoding: may decoding begin, may others need it.

Pure functions on bytes. Only what is certain is told: a packet that is odd in any way counts as one
that others need, and as one where decoding must not begin.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from wtours.av1_headers import Av1Reader
from wtours.bits import Bits, OddError

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
        av1 = Av1Reader(extradata)
        return lambda data, key: PacketUse(**asdict(av1(data)))
    if codec == "vp9":
        return lambda data, key: _vp9(data)
    if codec == "vp8":
        return lambda data, key: _vp8(data)
    return lambda data, key: PacketUse(clean_start=key and codec in _TRUSTED)


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Give the NAL units of a packet: with their lengths before them, or (0) between start codes.

    Raises:
        OddError: a unit is longer than the packet.
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
            raise OddError
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
    except (OddError, IndexError):
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
            bits = Bits(payload[at : at + size])
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
    except (OddError, IndexError):
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
    except OddError:
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
    bits = Bits(frame[:4])
    if bits(2) != 2:
        raise OddError
    profile = bits(1) | bits(1) << 1
    if profile == 3:
        bits(1)
    if bits(1):
        return False, True  # shows one that is there already
    return bits(1) == 0, bits(1) == 1
