"""A detector by its name on the command line. Heavy libraries are imported when one is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

from analysis.detectors.detector import ObjectDetector
from wtours import WtoursError

if TYPE_CHECKING:
    from analysis.detectors.detic.model import Precision

SPECS = (
    "detic",
    "torchvision:NAME",
    "hf:ORG/NAME",
    "onnx:FILE",
    "detectron2:CONFIG",
)
"""What can be opened."""


def open_detector(
    spec: str,
    *,
    weights: Path | None = None,
    vocabulary: Path | None = None,
    names: Path | None = None,
    threshold: float = 0.3,
    device: str | None = None,
    dtype: "Precision" = "float32",
    compile: bool = False,  # noqa: A002 - the word of torch
) -> ObjectDetector:
    """Open a detector.

    Args:
        spec: one of `SPECS`.
        weights: file of Detic's checkpoint; of a state dict for torchvision and detectron2, which
            have their own otherwise.
        vocabulary: `.npy` of text embeddings, for Detic; needs `names`.
        names: file of class names, one a line, or JSON. Zero-shot models look for these.
        threshold: least score of a box, 0 to 1. Low, so that statistics can be made at higher
            ones without the detector.
        device: "cpu", "cuda:0"; None: a GPU where there is one, under torchrun one a process.
        dtype: of the large layers, of networks in torch; float16 needs a GPU.
        compile: let torch compile the network.

    Raises:
        WtoursError: an unknown detector, an option that it does not have, a library that is not
            installed, weights or names that do not fit, float16 on a CPU.
    """
    kind, _, which = spec.partition(":")
    if kind not in {known.partition(":")[0] for known in SPECS} or (kind == "detic") != (not which):
        raise WtoursError(
            f"there is no detector {spec!r}", remedy=f"choose one of {', '.join(SPECS)}"
        )
    if not 0 <= threshold <= 1:
        raise WtoursError(f"the threshold is {threshold}", remedy="give one of 0 to 1")
    given = {
        "weights": weights is not None,
        "vocabulary": vocabulary is not None,
        "dtype": dtype != "float32",
        "compile": compile,
    }
    _refuse_unknown(spec, given, unknown=_UNKNOWN[kind])
    if dtype == "float16":
        _require_gpu(device)
    if kind == "detic":
        return _open_detic(
            weights,
            vocabulary,
            names,
            threshold=threshold,
            device=device,
            dtype=dtype,
            compile=compile,
        )
    listed = _read_names(names)
    if kind == "torchvision":
        from analysis.detectors.torchvision_models import open_torchvision

        return open_torchvision(
            which,
            weights=weights,
            names=listed,
            threshold=threshold,
            device=device,
            dtype=dtype,
            compile=compile,
        )
    if kind == "hf":
        from analysis.detectors.transformers_models import open_transformers

        return open_transformers(
            which, names=listed, threshold=threshold, device=device, dtype=dtype, compile=compile
        )
    if kind == "onnx":
        from analysis.detectors.onnx import open_onnx

        return open_onnx(Path(which), names=listed, threshold=threshold, device=device)
    from analysis.detectors.detectron2_models import open_detectron2

    return open_detectron2(which, weights=weights, names=listed, threshold=threshold, device=device)


def file_of(spec: str, weights: Path | None) -> Path | None:
    """Return the file of a detector's weights that a user named, if one was named."""
    kind, _, which = spec.partition(":")
    return Path(which) if kind == "onnx" else weights


_UNKNOWN = {
    "detic": (),
    "torchvision": ("vocabulary",),
    "hf": ("weights", "vocabulary"),
    "onnx": ("weights", "vocabulary", "dtype", "compile"),
    "detectron2": ("vocabulary", "dtype", "compile"),
}
"""Options that a kind of detector does not have."""


def _refuse_unknown(spec: str, given: dict[str, bool], *, unknown: tuple[str, ...]) -> None:
    for option in unknown:
        if given[option]:
            raise WtoursError(f"{spec} has no option {option}", remedy=f"leave --{option} out")


def _require_gpu(device: str | None) -> None:
    """Refuse float16 on a CPU, where it takes four to eight times as long as float32."""
    from analysis.detectors.device import choose_device

    if choose_device(device).startswith("cpu"):
        raise WtoursError(
            "float16 is for GPUs: on a CPU it is several times slower than float32",
            remedy="leave --dtype out, or give bfloat16",
        )


def _open_detic(
    weights: Path | None,
    vocabulary: Path | None,
    names: Path | None,
    *,
    threshold: float,
    device: str | None,
    dtype: "Precision",
    compile: bool,  # noqa: A002 - the word of torch
) -> ObjectDetector:
    from analysis.detectors.detic.loading import load_detic
    from analysis.detectors.detic.vocabulary import read_names, read_vocabulary
    from analysis.detectors.device import choose_device

    if weights is None:
        raise WtoursError(
            "detic needs a checkpoint of Detic, and none was named",
            remedy="fetch one with `wtours analyze --download detic`, then name it with --weights",
        )
    if vocabulary is not None and names is None:
        raise WtoursError(
            f"{vocabulary} holds embeddings without the names that they belong to",
            remedy="give their names, one a line, with --names FILE",
        )
    classes = None
    if names is not None:
        classes = read_names(names) if vocabulary is None else read_vocabulary(vocabulary, names)
    return load_detic(
        weights,
        vocabulary=classes,
        threshold=threshold,
        device=choose_device(device),
        dtype=dtype,
        compile=compile,
    )


def _read_names(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    from analysis.detectors.detic.vocabulary import read_names

    return read_names(path).names
