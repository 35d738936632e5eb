"""Writes tiny ONNX models without the package onnx: protobuf messages of onnx.proto, by number.

Field numbers are those of github.com/onnx/onnx, onnx/onnx.proto (Apache-2.0).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

FLOAT, FLOAT16 = 1, 10


def write_constant_model(
    path: Path,
    raw: np.ndarray,
    *,
    height: int = 64,
    width: int = 64,
    channels: int = 3,
    batch: int | str = 1,
    outputs: int = 1,
) -> Path:
    """Write a model that gives `raw` (1, N, V) plus 0 times the mean of its input.

    With a named batch the output has as many rows as the input has pictures.
    """
    shape = [batch, channels, height, width]
    nodes = [
        _node("ReduceMean", ["images", "axes"], ["mean"], {"keepdims": 0}),
        _node("Mul", ["mean", "zero"], ["none"]),
        _node("Reshape", ["none", "shape"], ["column"]),
        _node("Add", ["column", "raw"], ["output"]),
    ]
    given = [
        _tensor("raw", raw.astype(np.float32)),
        _tensor("zero", np.zeros((), dtype=np.float32)),
        _tensor("axes", np.array([1, 2, 3], dtype=np.int64)),
        _tensor("shape", np.array([-1, 1, 1], dtype=np.int64)),
    ]
    results = [_value("output", [batch, *raw.shape[1:]])]
    if outputs == 2:
        results.append(_value("mean", [batch]))
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"tiny"),
            *(_bytes(5, tensor) for tensor in given),
            _bytes(11, _value("images", shape)),
            *(_bytes(12, value) for value in results),
        ]
    )
    model = _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 18))
    path.write_bytes(model)
    return path


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(
    operation: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    numbers: Mapping[str, int] = MappingProxyType({}),
) -> bytes:
    attributes = [
        _bytes(5, _bytes(1, name.encode()) + _number(3, value) + _number(20, 2))
        for name, value in numbers.items()
    ]
    return b"".join(
        [
            *(_bytes(1, name.encode()) for name in inputs),
            *(_bytes(2, name.encode()) for name in outputs),
            _bytes(4, operation.encode()),
            *attributes,
        ]
    )


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): 7}[values.dtype]
    sizes = b"".join(_number(1, size) for size in values.shape)
    return sizes + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        _bytes(1, _bytes(2, size.encode()) if isinstance(size, str) else _number(1, size))
        for size in shape
    )
    kind = _bytes(1, _number(1, FLOAT) + _bytes(2, sizes))
    return _bytes(1, name.encode()) + _bytes(2, kind)
