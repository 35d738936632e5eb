"""An ONNX file of the YOLOX family, opened by onnxruntime; another model is refused in a sentence.

onnxruntime is there anyway, runs the same file on a GPU (as onnxruntime-gpu), and tells a model's
inputs and outputs before the first picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.detectors.yolox import STRIDES, grid_of
from wtours import WtoursError

REMEDY = (
    "export a YOLOX model with YOLOX's own tools/export_onnx.py: one input (1, 3, height, width), "
    "one output (1, boxes, 5 + classes)"
)
_DTYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


@dataclass(frozen=True, kw_only=True)
class OnnxLayout:
    """What goes into a model and comes out of it."""

    input_name: str
    batch: int | None
    """Pictures at a time; None: any number."""
    height: int
    width: int
    dtype: type[np.floating[Any]]
    strides: tuple[int, ...]
    classes: int


def open_session(path: Path, *, device: str | None, threads: int) -> Any:
    """Return onnxruntime's session of a file.

    Args:
        path: the file.
        device: "cpu", "cuda", "cuda:1"; None: a GPU where onnxruntime has one.
        threads: of the CPU, for one picture.

    Raises:
        WtoursError: no file, no model, no GPU.
    """
    import onnxruntime

    if not path.is_file():
        raise WtoursError(f"{path} is not a file", remedy="check the path of the model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # what is wrong comes as an exception
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has an exception for each of its states
        raise WtoursError(
            f"{path} is no ONNX model ({str(error).splitlines()[0]})", remedy=REMEDY
        ) from error


def layout_of(inputs: Sequence[Any], outputs: Sequence[Any]) -> OnnxLayout:
    """Return the layout of a model from onnxruntime's descriptions of its inputs and outputs.

    Raises:
        WtoursError: they are not those of a YOLOX model.
    """
    shapes = [[tuple(one.shape) for one in side] for side in (inputs, outputs)]
    told = f"the model takes {shapes[0]} and gives {shapes[1]}"
    if len(inputs) != 1 or len(outputs) != 1 or [len(side[0]) for side in shapes] != [4, 3]:
        raise WtoursError(f"{told}, so it is no YOLOX detector", remedy=REMEDY)
    (batch, channels, height, width), (_, boxes, values) = shapes[0][0], shapes[1][0]
    if not all(isinstance(size, int) and size > 0 for size in (height, width, values)):
        raise WtoursError(f"{told}: sizes that are not fixed", remedy=REMEDY)
    dtype = _DTYPES.get(inputs[0].type)
    if channels != 3 or values < 6 or dtype is None:
        raise WtoursError(f"{told}, so it is no YOLOX detector", remedy=REMEDY)
    for strides in (STRIDES[:3], STRIDES):
        if not isinstance(boxes, int) or boxes == len(grid_of(height, width, strides)):
            return OnnxLayout(
                input_name=inputs[0].name,
                batch=batch if isinstance(batch, int) and batch > 0 else None,
                height=height,
                width=width,
                dtype=dtype,
                strides=strides,
                classes=values - 5,
            )
    raise WtoursError(
        f"{told}: an input of {width}x{height} px has {len(grid_of(height, width, STRIDES[:3]))} "
        f"cells of stride 8, 16 and 32, not {boxes}",
        remedy=REMEDY,
    )


def _providers(device: str | None, available: Sequence[str]) -> list[Any]:
    """Return where onnxruntime computes."""
    cuda = "CUDAExecutionProvider" in available
    if device in (None, "cpu") and not (device is None and cuda):
        return ["CPUExecutionProvider"]
    from analysis.detectors.device import choose_device

    place = choose_device(device)
    if place.startswith("cuda") and cuda:
        number = int(place.partition(":")[2] or 0)
        return [("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]
    if place == "cpu":
        return ["CPUExecutionProvider"]
    raise WtoursError(
        f"onnxruntime cannot compute on {device} here",
        remedy="install onnxruntime-gpu in place of onnxruntime, or leave --device out",
    )
