"""A few pictures in each codec that videos come in, to find out whether they can be decoded.

Each sample is a bare stream of three pictures of 64 x 64 (`sample_picture`), the first a keyframe.
They were made with PyAV's encoders: libsvtav1 (preset 8, crf 20), libvpx-vp9 (crf 15, b 0), libx265
and libx264 (crf 15), muxed as `ivf`, `hevc` and `h264`; VP9 of 10 bit with the program of
imageio-ffmpeg (-profile:v 2 -crf 15 -b:v 0), since PyAV's libvpx encodes 8 bit only.
tests/wtours/test_doctor.py makes new ones in the same way and holds them to the same pictures.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

PICTURES = 3
_SIZE_PX = 64
_TOLERANCE = 1.5
"""How far a mean may be off, in steps of 8 bit: the encoders' loss is a tenth of that."""


@dataclass(frozen=True, kw_only=True)
class DecoderSample:
    """A short stream in one codec."""

    codec: str
    container: str
    """FFmpeg's name for how the stream is wrapped."""
    bits: int
    """Of each value of a picture."""
    stream: bytes


@dataclass(frozen=True, kw_only=True)
class DecoderTrial:
    """What became of decoding a sample."""

    codec: str
    decoder: str | None
    """Which of FFmpeg's decoders did it; None where there is none."""
    fault: str | None
    """Why the pictures did not come, or what is wrong with them; None where all is well."""


def sample_picture(index: int) -> NDArray[np.uint8]:
    """Return picture `index` of every sample: planes Y, U, V in rows of 64, (96, 64).

    A slanted ramp that gets brighter; its colour changes too.
    """
    row, column = np.mgrid[0:_SIZE_PX, 0:_SIZE_PX]
    luma = 60 + 40 * index + (row + column) // 4
    colours = np.repeat([100 + 10 * index, 140 - 10 * index], _SIZE_PX**2 // 4)
    return np.concatenate([luma.ravel(), colours]).reshape(-1, _SIZE_PX).astype(np.uint8)


def plane_means(picture: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the means of Y, U and V of a picture as `sample_picture` lays it out, (3,)."""
    planes = np.split(picture.astype(np.float64), [_SIZE_PX, _SIZE_PX + _SIZE_PX // 4])
    return np.array([plane.mean() for plane in planes])


def try_decoder(sample: DecoderSample) -> DecoderTrial:
    """Decode a sample and compare its pictures' means with what they must be."""
    decoder: str | None = None
    container: (
        Any  # PyAV's types say neither that a stream may lack a decoder nor which way it goes
    )
    try:
        with av.open(io.BytesIO(sample.stream), format=sample.container) as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:
                return DecoderTrial(codec=sample.codec, decoder=None, fault="there is no decoder")
            decoder = stream.codec_context.codec.name
            pictures = [frame.to_ndarray() for frame in container.decode(stream)]
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        fault = f"{getattr(error, 'strerror', None) or error}"
        return DecoderTrial(codec=sample.codec, decoder=decoder, fault=fault)
    return DecoderTrial(codec=sample.codec, decoder=decoder, fault=_judge(pictures, sample.bits))


def _judge(pictures: list[NDArray[np.generic]], bits: int) -> str | None:
    if len(pictures) != PICTURES:
        return f"{len(pictures)} of {PICTURES} pictures come"
    for index, picture in enumerate(pictures):
        wanted = sample_picture(index)
        if picture.shape != wanted.shape:
            return f"a picture has the shape {picture.shape}"
        off = np.abs(plane_means(picture) / 2 ** (bits - 8) - plane_means(wanted)).max()
        if off > _TOLERANCE:
            return f"a picture is wrong by {off:.0f} of 255"
    return None


SAMPLES = (
    DecoderSample(
        codec="AV1",
        container="ivf",
        bits=8,
        stream=base64.b64decode(
            "REtJRgAAIABBVjAxQABAAAoAAAABAAAAAwAAAAAAAAA7AAAAAAAAAAAAAAASAAoKAAAAAq//jV8wCDIrEACSggEE"
            "AAA88Ahzo5CkUoddIBti8BQJQok5+0+g1yml71YNJx1lQ9n8wDsAAAABAAAAAAAAABIAMhwoAgAkkkk9TgBBAggT"
            "zwDAABfR+V7O4yacobggMhkwAgQJJAB6oAAAAngADABHXJxiSXtNaA/oBQAAAAIAAAAAAAAAEgAaAYg="
        ),
    ),
    DecoderSample(
        codec="AV1 10 bit",
        container="ivf",
        bits=10,
        stream=base64.b64decode(
            "REtJRgAAIABBVjAxQABAAAoAAAABAAAAAwAAAAAAAAAwAAAAAAAAAAAAAAASAAoKAAAAAq//jV84CDIgEACVAgMM"
            "EEA8AAgCuHLK5RGeQYwwTCSwrxejL2yqLtA7AAAAAQAAAAAAAAASADIbKAIAJJJJPU4AooUUE+AAwAAX0flgKUVc"
            "BBu0MhowAgQJJAB6oAAAAnoADABGeT+FgVaiNIEXgAUAAAACAAAAAAAAABIAGgGI"
        ),
    ),
    DecoderSample(
        codec="VP9",
        container="ivf",
        bits=8,
        stream=base64.b64decode(
            "REtJRgAAIABWUDkwQABAAAoAAAABAAAAAwAAAAAAAADPAAAAAAAAAAAAAACCSYNCAAPwA/YAOCQcGBQAADBgAABY"
            "S///r/G4PgChGvTZDjLhopAAAAAAAAAAAABSQBDw9ikBXPQAAAAAAAAAAAABDSP+SV4p9BOk/WRLZNaogAAAAAAA"
            "AAAABawBIiK0nhUcQAAAAAAAAAAAABNrf///9nJS/////cTB97k+F3FbCvcbsXIIscAAAAAAAAAAAAAAAIz2AMeP"
            "uAAAAAAAAAAAAATSYnxfOZZeM57dg31AAAAAAAAAAAAAAABRkwB1r6QAAAAAAAAAAAACxAAsAAAAAQAAAAAAAACG"
            "AECSnABHgAADYAAAID////iwJ////FgT///+LAn//8WBP///8D////8LIC0AAAACAAAAAAAAAIYAQJKcAEZAAANg"
            "AAAgP///+i9////+i9////+i9///9F7////9zB///+8GAA=="
        ),
    ),
    DecoderSample(
        codec="VP9 10 bit",
        container="ivf",
        bits=10,
        stream=base64.b64decode(
            "REtJRgAAIABWUDkwQABAAAoAAAABAAAA/////wAAAADIAAAAAAAAAAAAAACSSYNCAAH4AfsAHBIODBIAABhgAAAk"
            "c///mcMpDMG4GsRbTM2WAAAAAAAAAAAAAH1gGh6fDgAFiAAAAAAAAAAAAAGrf/1zmU2FNt0QlSgGnfdCAAAAAAAA"
            "Ae2AYpUZNaD0oAAAAAAAAAAAAAZ2n/XhGiEe4I2fYAAAAD823gAAAAAAUTgQGM9ow/jkAAAAAAAAAAAAAQuu4AAA"
            "ANW+6EE/LSAAAAAAAZkgUm5Lq0u80AAAAAAAAAAAAAUxn///+ufgf////0aAAC0AAAABAAAAAAAAAJYAQJKcAEeA"
            "AANgAAAgP///+O0X///+O0X///+O0X//8dov///+T5///+XIAC0AAAACAAAAAAAAAJYAQJKcAEaAAANgAAAgP///"
            "+m/v///+m/v///+m/v//9N/f////XC////shAA=="
        ),
    ),
    DecoderSample(
        codec="HEVC",
        container="hevc",
        bits=8,
        stream=base64.b64decode(
            "AAAAAUABDAH//wFgAAADAJAAAAMAAAMAHpWYCQAAAAFCAQEBYAAAAwCQAAADAAADAB6gIIEFllZpJMrmgIAAAAMA"
            "gAAABQQAAAABRAHBcrQiQAAAASgBrwng4sE+O7JbrjsFDysO7E//oMUQcBGVc30f/7JDss9zpxqejLOoLayAIslF"
            "Rama3e7b68d5EtAx/5MNcEE3jTdUmU5p/w6gXJwAAAABAgHYCX4TwOPAnx3ZLdcdgoeVh3Yn/9BiiDgIyqwcP/vU"
            "diLdONT0ZZ1BbxDI2Q793XGwzFVqTD4/4uQ/sOcSfF2oXREsGhooRB4AAAABAgHQEf/UQwYTQO/P2/m/bxPN2FP/"
            "bQP9X/F6ss9DvzYltQH4v1eP/mqP3Z+A"
        ),
    ),
    DecoderSample(
        codec="HEVC 10 bit",
        container="hevc",
        bits=10,
        stream=base64.b64decode(
            "AAAAAUABDAH//wIgAAADAJAAAAMAAAMAHpWYCQAAAAFCAQECIAAAAwCQAAADAAADAB6gIIEE2WVmkkyuaAgAAAMA"
            "CAAAAwBQQAAAAAFEAcFytCJAAAABKAGvCeDjwJ8d2S3XHYKHlYd2J//QYog4CMq5vo//2SHZZ7ETjU9GWdQWyzrj"
            "t+V+Lc3xvRYQiJqZ8GH7WOz0q1mQ5hatu3MAAAABAgHYCX4TwOPAnx3ZLdcdgoeVh3Yn/9BiiDgIyqwcP/vUdiJR"
            "ONT0ZZ1BbLOuO35X4tzfG9FhCImpnwYftY7PSrWZDmFq27cwAAAAAQIB0BH/1EMGE0BxqTt2Dn52BP8vT7fG5/8D"
            "eippbuNT2octwVkN3tRuFPtdlkovef5Qy9Nr0aPmTFWeh35v+A=="
        ),
    ),
    DecoderSample(
        codec="H.264",
        container="h264",
        bits=8,
        stream=base64.b64decode(
            "AAAAAWdkAAqs2UQmhAAAAwAEAAADAFA8SJZYAAAAAWjr4LyyLAAAAQYF//+c3EXpvebZSLeWLNgg2SPu73gyNjQg"
            "LSBjb3JlIDE2NSAtIEguMjY0L01QRUctNCBBVkMgY29kZWMgLSBDb3B5bGVmdCAyMDAzLTIwMjUgLSBodHRwOi8v"
            "d3d3LnZpZGVvbGFuLm9yZy94MjY0Lmh0bWwgLSBvcHRpb25zOiBjYWJhYz0xIHJlZj0zIGRlYmxvY2s9MTowOjAg"
            "YW5hbHlzZT0weDM6MHgxMTMgbWU9aGV4IHN1Ym1lPTcgcHN5PTEgcHN5X3JkPTEuMDA6MC4wMCBtaXhlZF9yZWY9"
            "MSBtZV9yYW5nZT0xNiBjaHJvbWFfbWU9MSB0cmVsbGlzPTEgOHg4ZGN0PTEgY3FtPTAgZGVhZHpvbmU9MjEsMTEg"
            "ZmFzdF9wc2tpcD0xIGNocm9tYV9xcF9vZmZzZXQ9LTIgdGhyZWFkcz0xIGxvb2thaGVhZF90aHJlYWRzPTEgc2xp"
            "Y2VkX3RocmVhZHM9MCBucj0wIGRlY2ltYXRlPTEgaW50ZXJsYWNlZD0wIGJsdXJheV9jb21wYXQ9MCBjb25zdHJh"
            "aW5lZF9pbnRyYT0wIGJmcmFtZXM9MyBiX3B5cmFtaWQ9MiBiX2FkYXB0PTEgYl9iaWFzPTAgZGlyZWN0PTEgd2Vp"
            "Z2h0Yj0xIG9wZW5fZ29wPTAgd2VpZ2h0cD0yIGtleWludD0yNTAga2V5aW50X21pbj0xMCBzY2VuZWN1dD00MCBp"
            "bnRyYV9yZWZyZXNoPTAgcmNfbG9va2FoZWFkPTQwIHJjPWNyZiBtYnRyZWU9MSBjcmY9MTUuMCBxY29tcD0wLjYw"
            "IHFwbWluPTAgcXBtYXg9NjkgcXBzdGVwPTQgaXBfcmF0aW89MS40MCBhcT0xOjEuMDAAgAAAAWWIhABf9qBmN8Vi"
            "gWu7We01A6/4iJgqiZbxI3HHneGv42UqYBPzCXRoh3CeLr0a9lz/TvfPubw+Zk+4tT9fnLIKqiZn+jEPuacBwBbh"
            "AAAAAUGaImOeB+AUUD8CwD8CVP/9sBnLxDaAAAAAAQGeQXk/Cbk="
        ),
    ),
)
"""What YouTube hands out and what cameras record."""
