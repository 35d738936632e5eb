"""Each finding of the doctor says what is wrong and what to type."""

from datetime import date
from pathlib import Path

from wtours import doctor
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


def test_missing_decoder_is_named() -> None:
    assert doctor.check_decoders({"libdav1d", "vp9", "hevc", "h264"}).ok
    without_av1 = doctor.check_decoders({"av1", "vp9", "hevc", "h264"})  # only with a GPU's help
    assert (without_av1.ok, without_av1.text) == (False, "none for AV1")


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
