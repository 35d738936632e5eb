"""A user's mistake gets one sentence with file, fault and remedy, and exit status 2."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from tests.shard_making import make_shard_set
from tests.video_making import panned, write_video
from wtours.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    """Run `wtours` in an empty folder; return status, stdout and stderr."""
    return partial(command, main)


def pan(path: Path, *, frames: int = 30, pts: list[int] | None = None) -> Path:
    return write_video(
        path,
        [panned(0, i) for i in range(frames)],
        rate=10,
        time_base=Fraction(1, 1000) if pts else None,
        pts=pts,
    )


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for i in range(16):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16_000, i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut_short(path: Path) -> Path:
    pan(path)
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def folder_of(path: Path) -> Path:
    path.mkdir()
    return path


def link(path: Path, *, to: Path) -> Path:
    path.symlink_to(to)
    return path


VIDEO = 'name = "walk"\nsource = [{ kind = "rendered" }]\n'
FAULTS: list[tuple[str, Callable[[Path], list[object]], str]] = [
    ("missing video", lambda d: ["shard", d / "no.mp4"], r"no\.mp4"),
    ("empty video", lambda d: ["shard", text(d / "empty.mp4", "")], r"empty\.mp4"),
    ("no video", lambda d: ["shard", text(d / "page.mp4", "<html>" * 99)], r"page\.mp4"),
    ("truncated video", lambda d: ["shard", cut_short(d / "short.mp4")], r"short\.mp4"),
    ("sound alone", lambda d: ["shard", write_sound(d / "sound.mp4")], r"sound\.mp4"),
    ("no such rate", lambda d: ["shard", pan(d / "a.mp4"), "--fps", "often"], "--fps often"),
    ("too high a rate", lambda d: ["shard", pan(d / "a.mp4"), "--fps", "30"], "--fps native"),
    ("no videos", lambda d: ["shard", d], "no video"),
    ("no such video", lambda d: ["fetch", "rome"], "rome"),
    ("missing manifest", lambda d: ["fetch", "--manifest", d / "no.toml"], r"no\.toml"),
    (
        "unknown key",
        lambda d: ["fetch", "--manifest", text(d / "m.toml", f"[[video]]\n{VIDEO}colour = 1\n")],
        "colour",
    ),
    (
        "doubled name",
        lambda d: ["fetch", "--manifest", text(d / "m.toml", f"[[video]]\n{VIDEO}" * 2)],
        "walk",
    ),
    ("no shards", lambda d: ["analyze", "--shards", d], "no shard set"),
    ("videos of no shards", lambda d: ["analyze", pan(d / "a.mp4")], r"a\.mp4 would not be looked"),
    ("videos and no detector", lambda d: ["analyze", "--from", "videos"], "no detector is named"),
    ("no folder", lambda d: ["verify", d / "none"], "no such file or folder"),
    ("unknown option", lambda d: ["shard", "--speed", "9"], "--speed"),
    ("wrong type", lambda d: ["shard", "--short-side", "big"], "big"),
    ("endless rate", lambda d: ["shard", pan(d / "a.mp4"), "--fps", "1e400"], "--fps 1e400"),
    ("a folder", lambda d: ["shard", folder_of(d / "walk.mp4")], "no video"),
    ("dangling link", lambda d: ["shard", link(d / "a.mp4", to=d / "gone.mp4")], r"a\.mp4"),
    (
        "out is a file",
        lambda d: ["shard", pan(d / "a.mp4"), "--no-blur", "--out", text(d / "out", "")],
        "out cannot be written to .*--out",
    ),
    (
        "two of one name",
        lambda d: ["shard", pan(d / "My Walk.mp4"), pan(d / "my_walk.mp4")],
        "both be called my_walk",
    ),
    (
        "no lines",
        lambda d: ["fetch", "venice", "--dry-run", "--resolution", "0"],
        "resolution is 0",
    ),
]


@pytest.mark.parametrize(("make", "named"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, make: Callable[[Path], list[object]], named: str
) -> None:
    status, out, err = run(*make(tmp_path))
    assert status == 2, err
    assert "Traceback" not in err + out
    assert re.search(named, err + out), err + out
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").glob("*/*"))


def test_the_road_from_a_video_to_a_page(run: Run, tmp_path: Path) -> None:
    pan(tmp_path / "Garden Walk.mp4", frames=60)
    status, out, err = run("shard", tmp_path / "Garden Walk.mp4", "--fps", "5", "--dry-run")
    assert (status, "pictures" in out, (tmp_path / "data").exists()) == (0, True, False), err
    status, out, err = run("shard", tmp_path / "Garden Walk.mp4", "--fps", "5")
    assert status == 0, err
    assert "garden" in out
    assert "31 pictures" in out
    status, out, err = run("shard", tmp_path / "Garden Walk.mp4", "--fps", "5")
    assert (status, "there already" in out) == (0, True), err
    status, _, err = run("shard", tmp_path / "Garden Walk.mp4", "--fps", "2")
    assert (status, "fps 5 instead of 2" in err) == (2, True), err
    assert run("verify")[0] == 0
    status, out, err = run("analyze")
    assert status == 0, err
    assert Path(out.strip()).is_file()


def test_no_blur_is_recorded(run: Run, tmp_path: Path) -> None:
    pan(tmp_path / "a.mp4")
    for words, blurred in ((["--no-blur"], False), (["--replace"], True)):
        assert run("shard", tmp_path / "a.mp4", *words)[0] == 0
        record = json.loads((tmp_path / "data" / "shards" / "a" / "dataset.json").read_text())
        assert (record["settings"]["blur"] is not None) is blurred


def test_verify_names_an_altered_tar(run: Run, tmp_path: Path) -> None:
    folder = make_shard_set(tmp_path / "walk", frames=6)
    tar = folder / "walk-000000.tar"
    content = bytearray(tar.read_bytes())
    content[700] ^= 1
    tar.write_bytes(bytes(content))
    status, _, err = run("verify", folder)
    assert (status, str(tar) in err) == (2, True)


def test_debug_shows_the_traceback(run: Run, tmp_path: Path) -> None:
    status, _, err = run("verify", tmp_path / "none", "--debug")
    assert (status, "Traceback" in err) == (2, True)


def test_ctrl_c_ends_with_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wtours.doctor.diagnose", interrupted)
    status, _, err = run("doctor")
    assert (status, err) == (
        2,
        "wtours: stopped, nothing half-written is left; give the same command again\n",
    )


def test_what_is_not_the_users_doing_exits_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise OSError(5, "Input/output error", "disk")

    monkeypatch.setattr("wtours.doctor.diagnose", broken)
    status, _, err = run("doctor")
    assert (status, "Traceback" in err) == (1, False)


def test_a_fault_of_the_program_is_told_without_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("wtours.doctor.diagnose", broken)
    status, _, err = run("doctor")
    assert (status, "Traceback" in err) == (1, False)
    assert "ZeroDivisionError" in err
    assert "--debug" in err
    assert "Traceback" in run("doctor", "--debug")[2]


@pytest.mark.parametrize("name", ["Stra\u00dfe \u00fc 1.mp4", "-lead.mp4", "a b.mp4", "link.mp4"])
def test_videos_of_odd_names_are_sharded(run: Run, tmp_path: Path, name: str) -> None:
    if name == "link.mp4":
        link(tmp_path / name, to=pan(tmp_path / "target.mp4"))
    else:
        pan(tmp_path / name)
    status, _, err = run("shard", f"./{name}", "--no-blur", "--out", "sets")
    assert status == 0, err
    assert run("verify", "sets")[0] == 0


def python(*words: str, **environment: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )


def test_a_reader_who_leaves_ends_the_command_in_silence() -> None:
    child = python("-m", "wtours", "fetch", "--manifest", "sample", "--dry-run")
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert (child.stderr.read(), child.wait(timeout=30)) == (b"", 1)
    child.stderr.close()


def test_a_closed_stdout_is_no_fault() -> None:
    program = "import os, runpy; os.close(1); runpy.run_module('wtours', run_name='__main__')"
    command = f"import sys; sys.stdout = None; {program}"
    child = python("-c", command, "fetch", "--manifest", "sample", "--dry-run")
    assert (child.communicate(timeout=30)[1], child.returncode) == (b"", 0)


def test_a_plain_locale_reads_names_as_they_are(tmp_path: Path) -> None:
    video = pan(tmp_path / "W\u00e4lk.mp4")
    words = ["shard", str(video), "--no-blur", "--out", str(tmp_path / "sets")]
    child = python("-m", "wtours", *words, LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["walk"]


def test_help_loads_nothing_heavy() -> None:
    heavy = ("torch", "av", "cv2", "pandas", "pyarrow", "matplotlib", "numpy", "scenedetect")
    program = f"import sys, wtours.cli; print([name for name in {heavy} if name in sys.modules])"
    out, _ = python("-c", program).communicate(timeout=30)
    assert out.decode().strip() == "[]"


def test_reading_shards_needs_no_pandas(tmp_path: Path) -> None:
    folder = make_shard_set(tmp_path / "walk", frames=3)
    program = f"""
import sys
from wtours.shards import open_shards
(walk,) = open_shards({str(folder)!r})
walk.read_jpeg(2)
print("pandas" in sys.modules)
"""
    out, err = python("-c", program).communicate(timeout=30)
    assert out.decode().strip() == "False", err.decode()


def test_every_option_of_fetch_reaches_its_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wtours.commands import videos
    from wtours.fetch import FetchSettings

    given: list[tuple[FetchSettings, bool]] = []
    monkeypatch.setattr(
        videos,
        "_plan",
        lambda names, listed, settings, *, out, write: given.append((settings, write)),
    )
    words = (
        "--metadata-only --source http --source youtube --resolution 1080 --codec av1 --fps 30 "
        "--cookies c.txt --cookies-from-browser firefox --rate-limit 2M --sleep 3 --retries 7 "
        "--jobs 4 --accept-licence none --accept-licence other --force"
    )
    assert run("fetch", *words.split())[0] == 0
    assert run("fetch", *words.split(), "--dry-run")[0] == 0
    settings = FetchSettings(
        sources=("http", "youtube"),
        resolution=1080,
        codec="av1",
        fps=30,
        cookies=Path("c.txt"),
        cookies_from_browser="firefox",
        rate_limit_bytes_s=2e6,
        sleep_s=3,
        retries=7,
        jobs=4,
        accept_licences=("none", "other"),
        force=True,
    )
    assert given == [(settings, True), (settings, False)]
    assert run("fetch", "--jobs", "0", "--rate-limit", "1M")[0] == 2


def test_shots_covers_and_sheets_from_the_command_line(run: Run, tmp_path: Path) -> None:
    """Each command once, on a video without a face; what they write is tested where it is made."""
    video = pan(tmp_path / "walk.mp4", frames=20)
    status, out, err = run("cuts", video, "--out", tmp_path / "cuts")
    assert (status, "1 shot" in out) == (0, True), err
    assert {path.name for path in (tmp_path / "cuts").iterdir()} == {
        "walk.cuts.csv",
        "walk.cuts.jpg",
    }
    status, out, err = run("blur", video, "--out", tmp_path / "blurred", "--face-height", "120")
    assert (status, "20 frames, 0 with covered faces" in out) == (0, True), err
    options = ["--blur-style", "solid", "--blur-margin", "1.5", "--guard-s", "0.5"]
    options += ["--face-height", "120", "--sampling", "keyframes"]
    status, out, err = run("shard", video, "--out", tmp_path / "sets", *options)
    assert status == 0, err
    settings = json.loads((tmp_path / "sets" / "walk" / "dataset.json").read_text())["settings"]
    assert settings["sampling"] == "keyframes"
    blur = settings["blur"]
    assert (blur["style"], blur["margin"], blur["guard_s"]) == ("solid", 1.5, 0.5)
    assert blur["detection_px"] == 120
    status, out, err = run("audit", tmp_path / "sets", "--out", tmp_path / "audit")
    assert (status, (tmp_path / "audit" / "index.html").is_file()) == (0, True), err
    status, out, err = run("card", tmp_path / "sets")
    assert (status, (tmp_path / "sets" / "croissant.json").is_file()) == (0, True), err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["cuts", "--threshold", "-1"], "threshold of cuts is -1"),
        (["blur", "--blur-margin", "0.5"], "margin"),
        (["shard", "--face-model", "none.pt"], "none.pt"),
        (["shard", "--guard-s", "-1"], "guard"),
        (["shard", "--workers", "0"], "workers is 0"),
        (["shard", "--hours", "0"], "hours is 0"),
        (["shard", "--sampling", "often"], "often"),
    ],
)
def test_mistakes_in_new_options_are_named(
    run: Run, tmp_path: Path, words: list[str], named: str
) -> None:
    command, *options = words
    status, out, err = run(command, pan(tmp_path / "walk.mp4"), *options)
    assert (status, named in err + out) == (2, True), err + out
