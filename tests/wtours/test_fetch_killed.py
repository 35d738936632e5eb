"""Killed at any moment, a download is finished by one more run, and nothing else is left over.

Moments are drawn from fixed seeds; the machine's speed decides what they hit, and none may matter.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wtours.web_server import Site, serve
from wtours.fetch import fetch_videos, figshare
from wtours.manifest import SourceKind

PROGRAM = """
import runpy, signal, sys
from wtours.fetch import figshare
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
figshare.API = sys.argv.pop(1)
runpy.run_module("wtours", run_name="__main__")
"""


STEP_BY_STEP = """
import os, signal, sys
from pathlib import Path
from wtours.fetch import fetch_videos, figshare
figshare.API, manifest, root = sys.argv[1:]
step, ended = 0, None
while ended != 0:
    out, count = os.path.join(root, str(step)), 0
    child = os.fork()
    if child == 0:
        def die_at_step(event, args):
            global count
            touched = any(isinstance(arg, (str, Path)) and str(arg).startswith(out) for arg in args)
            if touched and (event == "open" or event.startswith(("os.", "shutil."))):
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
        sys.addaudithook(die_at_step)
        fetch_videos([], manifest=Path(manifest), out=Path(out))
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    assert ended in (0, signal.SIGKILL), ended
    step += 1
print(step - 1)
"""
"""Fetches into folders 0, 1, 2, ...; in folder N it is killed before its Nth touch of a file."""


DOWNLOAD_S = 0.8
"""How long the server takes over the file, while somebody may be killed."""


AFTER_S = 0.6
"""About how long checking, recording and naming take afterwards."""


@pytest.fixture
def site(tiny_walk: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve(Site(tiny_walk)) as served:
        monkeypatch.setattr(figshare, "API", served.base)
        served.pages = {
            path: (200, {"Content-Type": "application/json"}, json.dumps(answer).encode())
            for path, answer in figshare_answers(served).items()
        }
        yield served


def figshare_answers(site: Site) -> dict[str, object]:
    file = {
        "id": 3,
        "name": "Walk.mp4",
        "size": len(site.content),
        "download_url": site.url,
        "computed_md5": hashlib.md5(site.content).hexdigest(),
    }
    licence = {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}
    return {
        "/articles/7": {"id": 7, "title": "A walk", "license": licence},
        "/articles/7/files?page=1&page_size=100": [file],
    }


def write_manifest(folder: Path, kind: SourceKind, site: Site) -> Path:
    where = f'url = "{site.url}"' if kind == "http" else "article = 7"
    (folder / "m.toml").write_text(
        f'[stated]\nlicence = "CC0"\nlicence_source = "these tests"\n'
        f'[[video]]\nname = "walk"\nsource = [{{ kind = "{kind}", {where} }}]\n'
    )
    return folder / "m.toml"


def kill_after(
    site: Site, manifest: Path, out: Path, seconds: float, how: signal.Signals = signal.SIGKILL
) -> None:
    """Start a fetch and stop it so many seconds after its first request, unless it is done."""
    asked = len(site.paths)
    words = [site.base, "fetch", "--manifest", str(manifest), "--out", str(out)]
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + 60
    while len(site.paths) == asked and child.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.005)
    try:
        _, said = child.communicate(timeout=seconds)
        assert child.returncode == 0, said
    except subprocess.TimeoutExpired:
        child.send_signal(how)
        _, said = child.communicate(timeout=60)
        stopped = 2 if how is signal.SIGINT else -how
        assert child.returncode in (0, stopped), said  # 0: done in the very moment
        assert "Traceback" not in said


def survive(folder: Path, kind: SourceKind, site: Site, moments_s: list[float]) -> None:
    """Kill a fetch at each of the moments, one after the other in one folder; then finish it."""
    folder.mkdir()
    manifest, out = write_manifest(folder, kind, site), folder / "out"
    out.mkdir()
    site.piece_bytes = max(1, len(site.content) // 50)
    site.drip_s = DOWNLOAD_S / 50
    for moment_s in moments_s:
        kill_after(site, manifest, out, moment_s)
        require_whole(out, site)
    site.drip_s = 0
    finish(manifest, out, site)


def require_whole(out: Path, site: Site) -> None:
    """Under its final name a video is whole and has its record."""
    if (out / "walk.mp4").exists():
        assert (out / "walk.mp4").read_bytes() == site.content
        assert (out / "walk.json").exists()


def finish(manifest: Path, out: Path, site: Site) -> None:
    """Run once more; look that the video is there, nothing beside it, and nothing fetched twice."""
    asked = len(site.asked)
    have_bytes = sum(part.stat().st_size for part in out.glob("*.part"))
    receipt = (out / "walk.mp4.part.json").exists()
    (fetched,) = fetch_videos([], manifest=manifest, out=out)
    assert fetched.path.read_bytes() == site.content
    assert fetched.record.file["sha256"] == hashlib.sha256(site.content).hexdigest()
    left = {path.name for path in out.iterdir()}
    assert {"walk.mp4", "walk.json"} <= left <= {"walk.mp4", "walk.json", "ATTRIBUTION.md"}
    if have_bytes and receipt:
        ranges = [span for span, _ in site.asked[asked:]]
        assert ranges == ([f"bytes={have_bytes}-"] if have_bytes < len(site.content) else [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that splits needs fork")
@pytest.mark.parametrize("kind", ["http", pytest.param("figshare", marks=pytest.mark.slow)])
def test_killed_before_every_touch_of_a_file_it_is_finished(
    tmp_path: Path, site: Site, kind: SourceKind
) -> None:
    manifest = write_manifest(tmp_path, kind, site)
    words = [site.base, str(manifest), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", STEP_BY_STEP, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps >= 10
    for step in range(steps + 1):
        out = tmp_path / str(step)
        out.mkdir(exist_ok=True)  # it may have died before making it
        require_whole(out, site)
        finish(manifest, out, site)


@pytest.mark.parametrize("kind", ["http", "figshare"])
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_fetch_is_finished_by_the_next(
    tmp_path: Path, site: Site, kind: SourceKind, seed: int
) -> None:
    moment_s = random.Random(f"{kind} {seed}").uniform(0.05, DOWNLOAD_S)
    survive(tmp_path / "once", kind, site, [moment_s])


def test_download_stopped_by_ctrl_c_goes_on_in_the_next_run(tmp_path: Path, site: Site) -> None:
    manifest, out = write_manifest(tmp_path, "http", site), tmp_path / "out"
    site.piece_bytes, site.drip_s = len(site.content) // 50, DOWNLOAD_S / 10
    kill_after(site, manifest, out, DOWNLOAD_S, signal.SIGINT)
    assert 0 < (out / "walk.mp4.part").stat().st_size < len(site.content)
    site.drip_s = 0
    finish(manifest, out, site)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http", "figshare"])
def test_killed_twenty_times_it_is_finished_each_time(
    tmp_path: Path, site: Site, kind: SourceKind
) -> None:
    moments = random.Random(kind)
    for number in range(20):
        moment_s = moments.uniform(0, DOWNLOAD_S + AFTER_S)
        survive(tmp_path / str(number), kind, site, [moment_s])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http", "figshare"])
def test_killed_twenty_times_in_a_row_it_is_finished_at_last(
    tmp_path: Path, site: Site, kind: SourceKind
) -> None:
    moments = random.Random(f"{kind} in a row")
    survive(tmp_path / "row", kind, site, [moments.uniform(0, 0.1) for _ in range(20)])
