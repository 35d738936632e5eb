"""Each finding of the doctor says what is wrong and what to type."""

import io
import sysconfig
from dataclasses import replace
from datetime import date
from pathlib import Path

import av
import numpy as np
import pytest

from wtours import doctor
from wtours.decoder_samples import (
    PICTURES,
    SAMPLES,
    DecoderSample,
    plane_means,
    sample_picture,
    try_decoder,
)
from wtours.doctor import Finding


def test_every_fault_has_a_remedy_here() -> None:
    findings = doctor.diagnose(Path("data"), needed_bytes=1)
    assert {"Python", "OpenCV", "decoders", "GPU", "disk", "CenterFace"} <= {
        finding.name for finding in findings
    }
    for finding in findings:
        assert finding.text
        assert finding.ok or finding.remedy, finding.name


def test_two_opencvs_are_reported_with_the_commands_that_mend_it() -> None:
    both = {"opencv-python": "5.0.1", "opencv-python-headless": "5.0.0.93", "numpy": "2"}
    finding = doctor.check_opencv(both)
    assert not finding.ok
    assert "opencv-python 5.0.1" in finding.text
    assert finding.remedy == (
        "uv pip uninstall opencv-python opencv-python-headless"
        " && uv pip install --no-deps opencv-python-headless==5.0.0.93"
    )


def test_one_opencv_is_well_and_none_is_not() -> None:
    assert doctor.check_opencv({"opencv-python-headless": "5"}).ok
    assert doctor.check_opencv({"opencv-python": "5"}).ok
    assert doctor.check_opencv({}).remedy == "uv pip install opencv-python-headless"
    two_with_windows = {"opencv-python": "5", "opencv-contrib-python": "5"}
    remedy = doctor.check_opencv(two_with_windows).remedy
    assert remedy is not None
    assert remedy.endswith("--no-deps opencv-python-headless")


def test_every_sample_decodes_here() -> None:
    trials = [try_decoder(sample) for sample in SAMPLES]
    assert [trial.fault for trial in trials] == [None] * len(SAMPLES)
    assert {sample.codec.split()[0] for sample in SAMPLES} == {"AV1", "VP9", "HEVC", "H.264"}
    finding = doctor.check_decoders(trials)
    assert finding.ok
    assert finding.text.startswith("AV1 (libdav1d), AV1 10 bit (libdav1d), VP9 (")


X265 = {"crf": "15", "x265-params": "log-level=none:info=0"}


@pytest.mark.parametrize(
    ("container", "encoder", "pixels", "options"),
    [
        ("ivf", "libvpx-vp9", "yuv420p", {"crf": "15", "b": "0"}),
        ("hevc", "libx265", "yuv420p", X265),
        ("hevc", "libx265", "yuv420p10le", X265),
        ("h264", "libx264", "yuv420p", {"crf": "15"}),
    ],
)
def test_samples_made_anew_show_the_same_pictures(
    container: str, encoder: str, pixels: str, options: dict[str, str]
) -> None:
    """As the module says that the kept ones were made; libsvtav1 is left out, which is chatty."""
    bits = 10 if pixels.endswith("10le") else 8
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as written:
        stream = written.add_stream(encoder, rate=10, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = pixels
        for index in range(PICTURES):
            planes = sample_picture(index).astype(np.uint16) << (bits - 8)
            planes = planes if bits == 10 else planes.astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format=pixels)
            frame.pts = index
            written.mux(stream.encode(frame))
        written.mux(stream.encode())
    made = DecoderSample(codec="", container=container, bits=bits, stream=buffer.getvalue())
    assert try_decoder(made).fault is None


@pytest.mark.parametrize("index", range(PICTURES))
def test_means_of_a_sample_are_those_of_a_plain_count(index: int) -> None:
    ramp = sum(row + column - (row + column) % 4 for row in range(64) for column in range(64)) / 4
    means = (60 + 40 * index + ramp / 64**2, 100 + 10 * index, 140 - 10 * index)
    assert plane_means(sample_picture(index)) == pytest.approx(means)


def test_decoder_that_shows_something_else_is_found_out() -> None:
    """Another codec's stream, a stream cut short, a bit depth mistaken, pictures left out."""
    by_name = {sample.codec: sample for sample in SAMPLES}
    avc, ten_bit = by_name["H.264"], by_name["VP9 10 bit"]
    damaged = avc.stream[:-40] + bytes(40)
    faults = {
        try_decoder(replace(avc, container="hevc")).fault,
        try_decoder(replace(avc, stream=b"")).fault,
        try_decoder(replace(ten_bit, bits=8)).fault,
        try_decoder(replace(ten_bit, stream=ten_bit.stream[:-20])).fault,
        try_decoder(replace(avc, stream=damaged)).fault,
    }
    assert None not in faults
    assert "a picture is wrong by 420 of 255" in faults


def test_missing_decoder_is_named() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as written:
        stream = written.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        written.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        written.mux(stream.encode())
    unknown = buffer.getvalue().replace(b"V_MPEG4/ISO/AVC", b"V_WTOURS/SELDOM")
    sample = DecoderSample(codec="Seldom", container="matroska", bits=8, stream=unknown)
    trial = try_decoder(sample)
    assert (trial.decoder, trial.fault) == (None, "there is no decoder")
    finding = doctor.check_decoders([trial, try_decoder(SAMPLES[0])])
    assert (finding.ok, finding.text) == (False, "Seldom: there is no decoder")
    assert finding.remedy == "uv pip install --force-reinstall --only-binary av av"


def test_old_yt_dlp_is_told_to_be_renewed() -> None:
    today = date(2026, 3, 1)
    assert doctor.check_yt_dlp_age({"yt-dlp": "2026.2.4"}, today=today) == Finding(
        name="yt-dlp's age", ok=True, text="25 days"
    )
    old = doctor.check_yt_dlp_age({"yt-dlp": "2025.10.22"}, today=today)
    assert (old.ok, old.remedy) == (False, "uv pip install --upgrade yt-dlp")
    assert not doctor.check_yt_dlp_age({}, today=today).ok


def test_javascript_needs_deno_and_its_scripts() -> None:
    scripts = {"yt-dlp-ejs": "0.8.0"}
    assert doctor.check_javascript(scripts, ("/bin/deno", "2.9.8")).ok
    for installed, deno, word in (
        (scripts, None, "deno is not installed"),
        (scripts, ("/bin/deno", "2.2.11"), "2.3.0 is needed"),
        (scripts, ("/bin/deno", "does not run (Exec format error)"), "does not run"),
        ({}, ("/bin/deno", "2.9.8"), "yt-dlp-ejs is not installed"),
    ):
        finding = doctor.check_javascript(installed, deno)
        assert not finding.ok
        assert word in finding.text
        assert finding.remedy


def test_scripts_have_to_be_those_of_this_yt_dlp() -> None:
    deno = ("/bin/deno", "2.9.8")
    needed = doctor.needed_scripts(["brotli; extra == 'x'", "yt-dlp-ejs==0.8.1; extra == 'd'"])
    assert needed == "0.8.1"
    assert doctor.check_javascript({"yt-dlp-ejs": "0.8.0"}, deno, scripts=needed).ok
    for version in ("0.7.1", "0.9.0", "1.8.1"):
        finding = doctor.check_javascript({"yt-dlp-ejs": version}, deno, scripts=needed)
        assert (finding.ok, finding.remedy) == (False, "uv pip install yt-dlp-ejs==0.8.1")
    assert doctor.needed_scripts([]) is None


def test_runtime_is_the_one_that_yt_dlp_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside this Python, else on the path; its oldest version is what yt-dlp's own code says."""
    from yt_dlp.utils._jsruntime import DenoJsRuntime

    assert doctor._LEAST_DENO == DenoJsRuntime.MIN_SUPPORTED_VERSION
    beside, elsewhere = tmp_path / "scripts", tmp_path / "path"
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(beside))
    monkeypatch.setenv("PATH", str(elsewhere))
    for folder, version in ((elsewhere, "2.5.0"), (beside, "2.6.1")):
        assert (doctor.find_deno() is None) == (folder is elsewhere)
        folder.mkdir()
        (folder / "deno").write_text(f"#!/bin/sh\necho 'deno {version} (stable, release)'\n")
        (folder / "deno").chmod(0o755)
        theirs = DenoJsRuntime().info
        found = doctor.find_deno()
        assert theirs is not None
        assert found is not None
        assert (version, version) == (theirs.version, found[1])
        assert found[0] in (theirs.path, str(elsewhere / theirs.path))


@pytest.mark.parametrize(
    ("cuda", "text", "remedy"),
    [
        (
            None,
            "it was built without CUDA",
            "uv pip install --reinstall --torch-backend=auto torch",
        ),
        ("12.8", "it was built for CUDA 12.8", "renew the driver"),
    ],
)
def test_gpu_that_torch_cannot_use_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str | None, text: str, remedy: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1234)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    listed = doctor.find_nvidia_gpus()
    assert listed == ["NVIDIA H100 80GB HBM3"]
    finding = doctor.judge_unseen_gpu(listed, cuda)
    assert not finding.ok
    assert f"torch cannot use NVIDIA H100 80GB HBM3, so that training runs on the CPU: {text}" == (
        finding.text
    )
    assert remedy in (finding.remedy or "")


@pytest.mark.parametrize("script", [None, "exit 9", "echo 'No devices were found'", "#"])
def test_no_gpu_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.find_nvidia_gpus() == []
    assert doctor.judge_unseen_gpu([], "12.8").ok


def test_python_and_libraries_are_checked() -> None:
    assert not doctor.check_python((3, 10, 4)).ok
    assert doctor.check_python((3, 12, 0)).ok
    missing = [finding for finding in doctor.check_libraries({"av": "18"}) if not finding.ok]
    assert "uv pip install torch" in [finding.remedy for finding in missing]


def test_disk_is_looked_at_where_the_folder_would_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    assert doctor.check_disk(folder, needed_bytes=1).ok
    full = doctor.check_disk(folder, needed_bytes=10**18)
    assert not full.ok
    assert "1000000000.0 GB are needed" in full.text
    assert not folder.exists()


def test_sizes_that_nobody_says_are_named() -> None:
    assert doctor.check_sizes(2 * 10**10, []).text == "20.0 GB to fetch"
    finding = doctor.check_sizes(0, ["venice", "zurich"])
    assert not finding.ok
    assert "venice, zurich" in finding.text
    assert finding.remedy
