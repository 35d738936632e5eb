"""What is built from the tree installs elsewhere, also beside the torch of older GPU images."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dora.tiny_run import TINY_SETTINGS
from tests.shard_making import make_shard_set

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
OLDER = ("torch==2.11.*", "torchvision==0.26.*")
"""With Python 3.12: what an image for GPUs may hold."""
TOOLS = ("pytest", "hypothesis")
"""What the tests need of the group `dev`."""
NUMERICS = (
    "tests/dora/model",
    "tests/dora/tracking",
    "tests/dora/methods",
    "tests/dora/train/test_schedule.py",
    "tests/dora/train/test_optimizer.py",
    "tests/dora/data/test_augment.py",
)
"""Tests of the golden arrays, and of what lies between them."""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path = REPOSITORY, timeout_s: float = 540) -> str:
    """Return what a command writes to stdout; fail with all that it wrote."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    beside = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if beside is None:
        pytest.skip("no uv beside this Python; `make test-all` brings it")
    return beside


def interpreters(version: str, uv: str) -> Iterator[str]:
    """Places where a Python of this version may be; not all of them work."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield str(Path(folder) / f"python{version}")
    listed = subprocess.run(
        [uv, "python", "list", version, "--only-installed", "--output-format", "json"],
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        yield from (one["path"] for one in json.loads(listed.stdout))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python")))


def works(interpreter: str, version: str) -> bool:
    if not Path(interpreter).exists():
        return False
    told = subprocess.run(
        [interpreter, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
    )
    return told.returncode == 0 and told.stdout.strip() == version


@pytest.fixture(scope="module")
def older_python(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python 3.12 with the older torch and the project with its ranges, from the index."""
    found = next((one for one in interpreters("3.12", uv) if works(one, "3.12")), None)
    if found is None:
        pytest.skip("no Python 3.12 on PATH, from uv or from pyenv")
    folder = tmp_path_factory.mktemp("older")
    overrides = folder / "overrides.txt"
    overrides.write_text("\n".join(PROJECT["tool"]["uv"]["override-dependencies"]) + "\n")
    run(uv, "venv", "--quiet", "--python", found, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    tools = [text for text in PROJECT["dependency-groups"]["dev"] if text.startswith(TOOLS)]
    install = [uv, "pip", "install", "--quiet", "--python", python, "--overrides", overrides]
    run(*install, *OLDER, *tools, "--editable", REPOSITORY, timeout_s=1800)
    return python


@pytest.mark.network
@pytest.mark.timeout(2400)
def test_golden_cases_pass_beside_the_torch_of_older_images(older_python: Path) -> None:
    asked = "import torch, torchvision; print(torch.__version__, torchvision.__version__)"
    torch, torchvision = run(older_python, "-c", asked).split()
    assert (torch[:5], torchvision[:5]) == ("2.11.", "0.26.")
    unmarked = "not gpu and not network and not slow and not media"
    pytest_ = [older_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", unmarked]
    summary = run(*pytest_, *NUMERICS, timeout_s=1800).splitlines()[-1]
    assert " passed" in summary
    print(f"torch {torch}, torchvision {torchvision}: {summary}")


@pytest.mark.network
@pytest.mark.timeout(2400)
def test_a_walk_is_sharded_and_trained_on_beside_the_torch_of_older_images(
    older_python: Path, tmp_path: Path
) -> None:
    walk = tmp_path / "walk.mp4"
    render = (
        "import sys; from pathlib import Path; from wtours.sample_walk import render_sample_walk;"
        "render_sample_walk(Path(sys.argv[1]), duration_s=9, width=160, height=90)"
    )
    run(older_python, "-c", render, walk)
    run(older_python, "-m", "wtours", "shard", walk, "--fps", "2", "--out", tmp_path / "shards")
    run(older_python, "-m", "wtours", "verify", tmp_path / "shards")
    train(older_python, tmp_path / "shards", tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.pth"
    exported = tmp_path / "backbone.safetensors"
    run(older_python, "-m", "dora", "export", "--weights", checkpoint, "--out", exported)
    assert exported.is_file()


def train(python: Path, shards: Path, out: Path) -> None:
    """Train the tiny run in another environment."""
    settings = [word for setting in TINY_SETTINGS for word in ("--set", setting)]
    train = [python, "-m", "dora", "train", "--preset", "smoke", "--device", "cpu"]
    run(*train, "--shards", shards, "--out", out, *settings)
    steps = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(steps) == 8


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built by the locked hatchling."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_its_packages_read(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "wtours/shards/FORMAT.md",
        "wtours/manifests/sample.toml",
        "wtours/manifests/walking_tours.toml",
        "analysis/templates/report.html",
    } <= names
    tracked = run("git", "ls-files", "wtours", "analysis", "dora").split()
    assert set(tracked) <= names
    rooms = {name.split("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {
        "wtours",
        "analysis",
        "dora",
    }


def test_the_installed_wheel_works_away_from_the_tree(wheel: Path, uv: str, tmp_path: Path) -> None:
    """Its dependencies are those of this Python, by a line in a path file."""
    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python]
    run(*install, wheel)
    room = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs, ours = (Path(run(one, "-c", room).strip()) for one in (python, Path(sys.executable)))
    (theirs / "dependencies.pth").write_text(f"{ours}\n")
    away = tmp_path / "away"
    away.mkdir()
    place = run(python, "-c", "import wtours; print(wtours.__file__)", cwd=away)
    assert Path(place.strip()).is_relative_to(theirs)

    said = run(python.parent / "wtours", "fetch", "--manifest", "sample", "--dry-run", cwd=away)
    assert "sample" in said
    assert not list(away.iterdir())
    shards = make_shard_set(tmp_path / "shards" / "walk", frames=12)
    run(python.parent / "wtours", "analyze", "--shards", shards, "--out", "report", cwd=away)
    assert (away / "report" / "index.html").is_file()
    train(python, shards, tmp_path / "run")
