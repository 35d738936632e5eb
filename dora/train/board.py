"""TensorBoard's file of scalars and pictures, written by the thread that calls.

TensorBoard's own writer leaves it to another thread, in which a full disk is a traceback.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]


class EventFile:
    """A TensorBoard file; every event is in it when a method returns.

    Args:
        folder: TensorBoard's folder of the run.
        start_step: TensorBoard is to forget steps from here on that earlier files hold.
    """

    def __init__(self, folder: Path, *, start_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
        self._stream = (folder / name).open("ab")
        self._records = RecordWriter(self._stream)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=start_step, session_log=start))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the scalars of a step."""
        values = [Summary.Value(tag=name, simple_value=x) for name, x in figures.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def add_picture(self, step: int, name: str, picture: Image.Image, *, png: bytes) -> None:
        """Add a picture, given as an image and as the bytes of its file."""
        image = Summary.Image(
            width=picture.width, height=picture.height, colorspace=3, encoded_image_string=png
        )
        value = Summary.Value(tag=name, image=image)
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._stream.flush()
