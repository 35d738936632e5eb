"""What packets tell, against FFmpeg's own reading of them; what is chosen, against plain rules."""

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wtours.encodings import ENCODINGS, REFRESHED, encode
from wtours.packet_headers import PacketUse, packet_reader
from wtours.references import choose

Packets = list[tuple[bytes, bool]]


def packets_of(path: Path) -> tuple[str, bytes, Packets]:
    """Return codec, extradata, and bytes and keyframe flag of each packet."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        packets = [(bytes(p), p.is_keyframe) for p in container.demux(video=0) if p.size]
        return context.codec.canonical_name, context.extradata or b"", packets


def uses_of(path: Path) -> list[PacketUse]:
    codec, extradata, packets = packets_of(path)
    read = packet_reader(codec, extradata)
    return [read(data, key) for data, key in packets]


def traced(path: Path) -> list[list[tuple[str, int]]]:
    """Return the header fields of every packet, as FFmpeg's `trace_headers` prints them."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "verbose", "-i", str(path), "-c", "copy"]
    command += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    packets: list[list[tuple[str, int]]] = []
    for line in text.splitlines():
        if re.search(r"\] Packet: \d+ bytes", line):
            packets.append([])
        field = re.search(r"\] \d+ +(\S+) +[01]+ = (-?\d+)", line)
        if packets and field:
            packets[-1].append((field[1], int(field[2])))
    return packets


def values(packet: list[tuple[str, int]], name: str) -> list[int]:
    return [value for field, value in packet if field == name]


@pytest.mark.parametrize("name", ["h264-open-8.mkv", "h264-closed.mp4", "h264-start-codes.ts"])
def test_h264_is_read_as_ffmpeg_reads_it(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, ENCODINGS[name])
    trace, uses = traced(path), uses_of(path)
    assert len(trace) == len(uses)
    for packet, use in zip(trace, uses, strict=True):
        units = zip(values(packet, "nal_unit_type"), values(packet, "nal_ref_idc"), strict=True)
        pictures = [(kind, idc) for kind, idc in units if kind in (1, 5)]
        assert use.referenced == any(idc > 0 for _, idc in pictures)
        recovery = values(packet, "recovery_frame_cnt")
        assert use.clean_start == (pictures[0][0] == 5 or recovery == [0])
    assert 0.2 < np.mean([use.referenced for use in uses]) < 0.7


@pytest.mark.parametrize("name", ["hevc-open.mp4", "hevc-radl.mkv", "hevc-layers.mp4"])
def test_hevc_is_read_as_ffmpeg_reads_it(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, ENCODINGS[name])
    trace, uses = traced(path), uses_of(path)
    assert len(trace) == len(uses)
    for packet, use in zip(trace, uses, strict=True):
        pairs = zip(
            values(packet, "nal_unit_type"), values(packet, "nuh_temporal_id_plus1"), strict=True
        )
        ((kind, level),) = {(kind, level) for kind, level in pairs if kind < 32}
        assert use.referenced == (kind not in (0, 2, 4, 6, 8, 10, 12, 14))
        assert use.level == level - 1
        assert use.clean_start == (16 <= kind <= 21)
    assert not all(use.referenced for use in uses) or {use.level for use in uses} == {0, 1, 2}


@pytest.mark.parametrize(
    "name", ["av1-svt.mp4", "av1-svt-low-delay.mkv", "av1-svt-open.mp4", "av1-aom-grain.webm"]
)
def test_av1_is_read_as_ffmpeg_reads_it(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, ENCODINGS[name])
    trace, uses = traced(path), uses_of(path)
    assert len(trace) == len(uses)
    for packet, use in zip(trace, uses, strict=True):
        again = any(values(packet, "show_existing_frame"))
        refreshed = values(packet, "refresh_frame_flags")
        starts = values(packet, "frame_type")[:1] == [0] and values(packet, "show_frame")[:1] == [1]
        assert use.clean_start == starts
        assert use.referenced == (again or starts or any(refreshed))
        assert use.shown == (again or any(values(packet, "show_frame")))


@pytest.mark.parametrize("name", ["vp9-hidden-many.mp4", "vp8-hidden.webm"])
def test_keyframes_of_vp8_and_vp9_are_clean_starts(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, ENCODINGS[name])
    _, _, packets = packets_of(path)
    uses = uses_of(path)
    assert [use.clean_start for use in uses] == [key for _, key in packets]
    assert all(use.referenced and use.shown for use in uses)


def test_packets_that_show_nothing_are_told() -> None:
    """VP8 with the show_frame bit cleared; VP9 and AV1 likewise."""
    vp8 = packet_reader("vp8", None)
    assert (vp8(b"\x30\0\0", True).shown, vp8(b"\x20\0\0", True).shown) == (True, False)
    vp9 = packet_reader("vp9", None)
    assert vp9(bytes([0b10000010]), True) == PacketUse(clean_start=True)
    assert vp9(bytes([0b10000000]), True) == PacketUse(shown=False)
    assert vp9(bytes([0b10001000]), True) == PacketUse()  # shows one that is there


def test_a_growing_picture_is_no_clean_start(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", REFRESHED["h264-refreshed.mp4"])
    _, _, packets = packets_of(path)
    assert sum(key for _, key in packets) > 1
    assert [use.clean_start for use in uses_of(path)] == [True] + [False] * (len(packets) - 1)


def sei(bits: str) -> bytes:
    """Return a packet of a recovery point (H.264, D.1.8) of these bits, and a slice."""
    payload = int((bits + "1").ljust(-(-(len(bits) + 1) // 8) * 8, "0"), 2)
    body = payload.to_bytes(-(-(len(bits) + 1) // 8), "big")
    return b"\0\0\1\x06\x06" + bytes([len(body)]) + body + b"\x80\0\0\1\x61\x9a\0"


@pytest.mark.parametrize(
    ("bits", "clean"), [("11000", True), ("10000", False), ("11100", False), ("01010000", False)]
)
def test_only_an_exact_recovery_at_once_is_a_clean_start(bits: str, clean: bool) -> None:
    """Fields: recovery_frame_cnt, exact_match_flag, broken_link_flag, changing_slice_group_idc."""
    use = packet_reader("h264", None)(sei(bits), True)
    assert use == PacketUse(clean_start=clean, referenced=True)


def test_parameter_sets_are_never_left_out() -> None:
    read = packet_reader("h264", None)
    assert not read(b"\0\0\1\x01\x9a\0", False).referenced
    assert read(b"\0\0\1\x68\x9a\0\0\0\1\x01\x9a\0", False).referenced
    read = packet_reader("hevc", None)
    assert not read(b"\0\0\1\x00\x01\x80", False).referenced
    assert read(b"\0\0\1\x44\x01\0\0\0\1\x00\x01\x80", False).referenced


def test_a_second_view_keeps_the_first() -> None:
    """Another layer of HEVC, as films in depth have, may be made from the base layer."""
    assert packet_reader("hevc", None)(b"\0\0\1\x00\x01\x80\0\0\1\x00\x09\x80", False).referenced


@given(
    codec=st.sampled_from(["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "unheard_of"]),
    extradata=st.one_of(st.none(), st.binary(max_size=30), st.just(b"\x01\0\0\0\xff")),
    packets=st.lists(st.binary(max_size=40), max_size=4),
)
def test_whatever_bytes_come_are_an_answer(
    codec: str, extradata: bytes | None, packets: list[bytes]
) -> None:
    read = packet_reader(codec, extradata)
    assert all(isinstance(read(data, False), PacketUse) for data in packets)


@pytest.mark.parametrize("name", ["h264-open-8.mkv", "hevc-open.mp4", "av1-svt.mp4", "vp8.webm"])
def test_cut_and_altered_packets_are_an_answer(tmp_path: Path, name: str) -> None:
    codec, extradata, packets = packets_of(encode(tmp_path / name, ENCODINGS[name]))
    draw = random.Random(0)
    for data, key in packets:
        read = packet_reader(codec, extradata)
        altered = bytearray(data)
        altered[draw.randrange(min(40, len(data)))] ^= 1 << draw.randrange(8)
        for odd in (data[: draw.randrange(len(data))], bytes(altered)):
            assert isinstance(read(odd, key), PacketUse)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A video as codecs allow it: every packet with those whose pictures its own is made from."""

    uses: list[PacketUse]
    pts: list[int]
    made_from: list[list[int]]


def drawn(draw: random.Random) -> Model:
    """Draw groups with and without leading pictures, sub-layers, and pictures nobody needs."""
    uses: list[PacketUse] = []
    pts: list[int] = []
    made_from: list[list[int]] = []
    base = start = 0
    for group in range(draw.randint(1, 5)):
        before, start = start, len(uses)
        leading = draw.randint(0, 3) if group else 0
        length = draw.randint(1, 8)
        times = list(range(base + leading + 1, base + leading + length))
        draw.shuffle(times)
        order = [base + leading, *range(base, base + leading), *times]
        base += leading + length
        for at, time in enumerate(order, start):
            key = at == start
            use = PacketUse(
                clean_start=key,
                referenced=key or draw.random() < 0.6,
                level=0 if key else draw.randint(0, 2),
            )
            pts.append(time)
            # A leading picture is shown after the clean start before, and may need all from there.
            first = before if time < order[0] else start
            allowed = [
                other
                for other in range(first, at if not key else first)
                if pts[other] >= pts[first]
                and uses[other].level <= use.level - (not uses[other].referenced)
            ]
            made_from.append([] if not allowed else draw.sample(allowed, min(2, len(allowed))))
            uses.append(use)
    return Model(uses=uses, pts=pts, made_from=made_from)


@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.05, 0.2, 0.6]))
def test_all_that_a_wanted_frame_is_made_from_is_decoded(seed: int, share: float) -> None:
    """And not forgotten before."""
    draw = random.Random(seed)
    model = drawn(draw)
    wanted = np.asarray([draw.random() < share for _ in model.uses])
    choice = choose(model.uses, np.asarray(model.pts), wanted)
    for at in np.flatnonzero(wanted).tolist():
        made_from, waiting = {at}, [at]
        while waiting:
            new = set(model.made_from[waiting.pop()]) - made_from
            made_from |= new
            waiting += new
        assert choice.needed[list(made_from)].all()
        assert not choice.fresh[min(made_from) + 1 : at + 1].any()


@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.05, 0.2, 0.6]))
def test_nothing_is_decoded_for_nobody(seed: int, share: float) -> None:
    """A plain rule: packet by packet, wanted frame by wanted frame."""
    draw = random.Random(seed)
    model = drawn(draw)
    wanted = np.asarray([draw.random() < share for _ in model.uses])
    choice = choose(model.uses, np.asarray(model.pts), wanted)
    plain = []
    for at, use in enumerate(model.uses):
        serves = False
        for later in np.flatnonzero(wanted[at:]) + at:
            starts = [
                start
                for start in range(later + 1)
                if model.uses[start].clean_start and model.pts[start] <= model.pts[later]
            ]
            need = model.uses[later].level
            used = use.level < need or (use.level == need and use.referenced)
            serves |= later == at or (max(starts) <= at and used)
        plain.append(serves)
    np.testing.assert_array_equal(choice.needed, plain)


def test_a_decoder_begins_anew_only_after_a_loss() -> None:
    """Two closed groups: the end of the first left out, wanted, or needed by nobody."""
    key, inner, leaf = PacketUse(clean_start=True), PacketUse(), PacketUse(referenced=False)
    pts = np.arange(6)
    for first, wanted, fresh in (
        ([key, inner, inner], [0, 3], [3]),
        ([key, inner, inner], [2, 3], []),
        ([key, inner, leaf], [1, 3], []),
        ([key, inner, inner], [4], []),
    ):
        asked = np.isin(pts, wanted)
        choice = choose([*first, key, inner, inner], pts, asked)
        assert np.flatnonzero(choice.fresh).tolist() == fresh
