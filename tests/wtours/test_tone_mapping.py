import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from tests.video_making import smooth, write_video
from wtours.conversion import PictureConverter, colour_notes, settle_matrix
from wtours.errors import WtoursError
from wtours.tone_mapping import (
    HDR_TRANSFERS,
    RULE,
    hlg_scene,
    pq_coded,
    pq_light,
    primaries_matrix,
    tone_map,
)
from wtours.video import open_video

TRC = {name: number for number, name in HDR_TRANSFERS.items()}
BT2020 = 9


def plain(coded: np.ndarray, transfer: str) -> np.ndarray:
    """Return the sRGB levels of (..., 3) 16-bit BT.2020 codes, unrounded, one formula a step."""
    value = coded.astype(np.float64) / 65535
    if transfer == "PQ":
        root = value ** (32 / 2523)
        base = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        light = 10_000 * base ** (8192 / 1305)
    else:
        high = (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        scene = np.where(value <= 0.5, value * value / 3, high)
        luminance = scene @ [0.2627, 0.6780, 0.0593]
        light = 1000 * luminance[..., None] ** 0.2 * scene
    # ITU-R BT.2087, from BT.2020 to BT.709.
    to_709 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    light = np.maximum(light @ np.asarray(to_709).T, 0)
    largest = light.max(axis=-1, keepdims=True)
    gain = np.divide(eetf(largest), largest, out=np.ones_like(largest), where=largest > 0)
    linear = light * gain / 203
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def eetf(light: np.ndarray) -> np.ndarray:
    """Return cd/m2 on a display of 203 of light graded for 1000 (BT.2390, 5.4.1)."""

    def pq(light: np.ndarray | float) -> np.ndarray:
        power = (np.asarray(light) / 10_000) ** (1305 / 8192)
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32)

    e1 = np.minimum(pq(light) / pq(1000), 1)
    most = pq(203) / pq(1000)
    start = 1.5 * most - 0.5
    t = (e1 - start) / (1 - start)
    p = (2 * t**3 - 3 * t**2 + 1) * start + (t**3 - 2 * t**2 + t) * (1 - start)
    e2 = np.where(e1 < start, e1, p + (3 * t**2 - 2 * t**3) * most) * pq(1000)
    root = e2 ** (32 / 2523)
    return 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        8192 / 1305
    )


def codes(*light: float) -> np.ndarray:
    """Return (1, n, 3) grey PQ codes of light in cd/m2."""
    coded = np.rint(65535 * pq_coded(np.asarray(light))).astype(np.uint16)
    return np.repeat(coded[None, :, None], 3, axis=2)


def mapped(coded: np.ndarray, transfer: str = "PQ", primaries: int = BT2020) -> np.ndarray:
    return tone_map(coded, transfer=transfer, primaries=primaries)  # type: ignore[arg-type]


def test_transfers_have_their_published_values() -> None:
    """BT.2408, table 1: reference white is 58 % in PQ and 75 % in HLG; 1000 cd/m2 are 75 %."""
    assert pq_coded(np.asarray([0, 100, 203, 1000, 10_000])) == pytest.approx(
        [0, 0.508, 0.581, 0.752, 1], abs=5e-4
    )
    assert pq_light(pq_coded(np.asarray([0.01, 3, 80, 4000]))) == pytest.approx([0.01, 3, 80, 4000])
    assert hlg_scene(np.asarray([0, 0.5, 1])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert 1000 * hlg_scene(np.asarray(0.75)) ** 1.2 == pytest.approx(203, rel=0.01)


def test_primaries_are_those_of_bt_2087() -> None:
    expected = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    assert primaries_matrix(BT2020) == pytest.approx(np.asarray(expected), abs=1e-4)
    assert primaries_matrix(1) == pytest.approx(np.eye(3), abs=1e-12)
    assert primaries_matrix(2) == pytest.approx(primaries_matrix(BT2020))
    assert primaries_matrix(12).sum(axis=1) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_levels_are_those_of_the_plain_rule(transfer: str) -> None:
    """Dark, coloured and bright codes; half a level is lost by rounding."""
    generator = np.random.default_rng(0)
    coded = generator.integers(0, 65536, (200, 150, 3)).astype(np.uint16)
    coded[:100] = (coded[:100] * generator.random((100, 150, 1))).astype(np.uint16)
    difference = mapped(coded, transfer) - plain(coded, transfer)
    # At the border of the gamut the four digits of BT.2087 are worth a level, at black.
    assert np.abs(difference).max() < 1.5
    assert (np.abs(difference) > 0.6).mean() < 0.01
    assert abs(difference.mean()) < 0.01


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_grey_stays_grey_and_more_is_never_darker(transfer: str) -> None:
    codes_of_12_bits = np.rint(np.linspace(0, 65535, 4096)).astype(np.uint16)
    ramp = np.repeat(codes_of_12_bits.reshape(64, 64, 1), 3, axis=2)
    levels = mapped(ramp, transfer).astype(int)
    assert np.ptp(levels, axis=2).max() <= 1
    assert (np.diff(levels[..., 1].ravel()) >= 0).all()
    assert levels[0, 0].tolist() == [0, 0, 0]
    assert levels[-1, -1].tolist() == [255, 255, 255]
    assert len(np.unique(levels)) == 256


def test_white_highlights_and_shadows_lie_where_the_rule_puts_them() -> None:
    levels = mapped(codes(0, 203, 1000, 4000, 10_000))[0, :, 1]
    assert levels.tolist() == [0, 229, 255, 255, 255]
    dim = np.asarray([0.5, 5, 20, 50, 80])
    srgb = 255 * (1.055 * (dim / 203) ** (1 / 2.4) - 0.055)
    assert mapped(codes(*dim))[0, :, 1] == pytest.approx(srgb, abs=0.55)


def test_both_transfers_show_the_same_light_alike() -> None:
    """75 % of HLG and 58 % of PQ are the same white."""
    hlg = np.full((1, 1, 3), round(0.75 * 65535), dtype=np.uint16)
    assert mapped(hlg, "HLG")[0, 0].tolist() == pytest.approx([229] * 3, abs=1)


def test_colours_of_bt_709_keep_their_ratio() -> None:
    """Dim and over-bright ones, so that the tone curve changes no hue."""
    srgb_light = np.asarray([1.0, 0.35, 0.1])
    in_bt2020 = np.linalg.solve(primaries_matrix(BT2020), srgb_light)
    for strength in (20, 150, 900):
        coded = np.rint(65535 * pq_coded(in_bt2020 * strength)).astype(np.uint16)
        value = mapped(coded[None, None])[0, 0] / 255
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        assert light / light[0] == pytest.approx(srgb_light, abs=0.02)


def test_a_large_picture_is_mapped_like_its_pixels() -> None:
    coded = np.random.default_rng(1).integers(0, 65536, (300, 700, 3)).astype(np.uint16)
    whole = mapped(coded, "HLG")
    rows = np.concatenate([mapped(coded[y : y + 1], "HLG") for y in range(300)])
    np.testing.assert_array_equal(whole, rows)
    np.testing.assert_array_equal(whole, mapped(coded, "HLG"))


def write_hdr(
    path: Path, coded: np.ndarray, *, codec: str, transfer: str, stated: int = BT2020
) -> Path:
    """Encode a picture of 16-bit codes thrice, in 10 bits, BT.2020, with its tags."""
    options = {
        "libx265": {"preset": "ultrafast", "x265-params": "lossless=1:log-level=none"},
        "libsvtav1": {"preset": "10", "crf": "1"},
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10), options=options[codec])
        stream.height, stream.width, stream.pix_fmt = *coded.shape[:2], "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range = stated, 1
        context.color_primaries, context.color_trc = BT2020, TRC[transfer]  # type: ignore[index]
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(coded), format="rgb48le")
            frame = frame.reformat(
                format="yuv420p10le",
                dst_colorspace=Colorspace.BT2020,
                dst_color_range=ColorRange.MPEG,
            )
            frame.colorspace, frame.color_range = stated, 1
            frame.color_primaries, frame.color_trc = BT2020, TRC[transfer]  # type: ignore[index]
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def muted(seed: int, *, size: tuple[int, int]) -> np.ndarray:
    """Return 16-bit codes of little colour, so that chroma of half the size loses little."""
    picture = smooth(seed, size=size).astype(float)
    grey = picture.mean(axis=2, keepdims=True)
    return np.rint(190 * (grey + 0.2 * (picture - grey)) + 3000).astype(np.uint16)


def as_vp9(path: Path) -> Path:
    """Encode a video as VP9 of 10 bits, which PyAV's own encoder lacks."""
    words = ["-v", "error", "-i", path, "-c:v", "libvpx-vp9", "-lossless", "1", "-cpu-used", "8"]
    vp9 = path.with_suffix(".webm")
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *map(str, words), str(vp9)], check=True)
    return vp9


@pytest.mark.parametrize(
    ("codec", "transfer"),
    [("libx265", "PQ"), ("libx265", "HLG"), ("libsvtav1", "PQ"), ("vp9", "HLG")],
)
def test_hdr_videos_are_read_by_the_rule(tmp_path: Path, codec: str, transfer: str) -> None:
    """Whole, and averaged down first; compared with the rule on the codes that were written."""
    picture = muted(4, size=(192, 128))
    encoder = "libx265" if codec == "vp9" else codec
    path = write_hdr(tmp_path / "hdr.mp4", picture, codec=encoder, transfer=transfer)
    path = as_vp9(path) if codec == "vp9" else path
    with open_video(path) as reader:
        frame = next(iter(reader))
        whole, small = frame.image, frame.scaled(48, 32)
    assert frame.decoded.color_trc == TRC[transfer]  # type: ignore[index]
    expected = plain(picture, transfer)
    assert np.abs(whole - expected).mean() < 1.5
    averaged = picture.reshape(32, 4, 48, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - plain(averaged, transfer)).mean() < 1.5
    light = expected.reshape(32, 4, 48, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - light).mean() < 0.7, (
        "where nothing is sharp, the order makes no difference"
    )


def test_an_unstated_matrix_of_hdr_is_bt_2020(tmp_path: Path) -> None:
    picture = smooth(6, size=(96, 64)).astype(np.uint16) * 200
    levels = []
    for name, stated in (("stated", BT2020), ("unstated", 2)):
        path = tmp_path / f"{name}.mp4"
        write_hdr(path, picture, codec="libx265", transfer="PQ", stated=stated)
        with open_video(path) as reader:
            levels.append(next(iter(reader)).image)
    np.testing.assert_array_equal(levels[0], levels[1])


def test_standard_range_is_converted_by_the_scaler_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "sdr.mkv", [smooth(2)], codec="ffv1")
    with open_video(path) as reader:
        frame = next(iter(reader))
    flags = 0x20 | 0x40000 | 0x80000 | 0x2000 | 0x4000
    for trc in (1, 2, 13, 14):
        frame.decoded.color_trc = trc
        direct = frame.decoded.reformat(80, 60, "rgb24", interpolation=flags, threads=1)
        np.testing.assert_array_equal(frame.scaled(80, 60), direct.to_ndarray())


def tagged(trc: int, matrix: int) -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    frame.color_trc, frame.colorspace = trc, matrix
    return frame


@pytest.mark.parametrize("trc", [1, 16])
@pytest.mark.parametrize("matrix", [*range(8), 9, 10])
def test_matrices_are_converted_the_reserved_one_too(trc: int, matrix: int) -> None:
    """All values of AVColorSpace but those below; FFmpeg's scaler itself stops at 3 and 10."""
    frame = tagged(trc, matrix)
    settle_matrix(frame, Path("walk.mkv"))
    assert PictureConverter().to_rgb(frame, width=32, height=24).shape == (24, 32, 3)
    assert int(frame.colorspace) == {3: 2, 10: 9}.get(matrix, matrix)


@pytest.mark.parametrize("matrix", [8, *range(11, 18)])
def test_matrices_that_cannot_be_converted_are_said(matrix: int) -> None:
    with pytest.raises(WtoursError, match=r"walk\.mkv codes its colours as .*another format"):
        settle_matrix(tagged(16, matrix), Path("walk.mkv"))


@pytest.mark.parametrize(
    ("trc", "matrix", "expected"),
    [
        (1, 1, []),
        (1, 2, ["states no colour matrix: BT.601 taken, as for its size"]),
        (1, 3, ["states no colour matrix: BT.601 taken, as for its size"]),
        (1, 10, ["constant luminance is read as BT.2020 without it"]),
        (
            16,
            2,
            [
                "states no colour matrix: BT.2020 taken, as for its transfer",
                f"high dynamic range (PQ), {RULE}",
            ],
        ),
        (18, 9, [f"high dynamic range (HLG), {RULE}"]),
    ],
)
def test_what_is_unusual_about_colours_is_noted(trc: int, matrix: int, expected: list[str]) -> None:
    assert colour_notes(tagged(trc, matrix)) == expected
