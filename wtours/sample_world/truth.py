"""What is known about a rendered walk, and its file beside the video."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from wtours.errors import WtoursError
from wtours.sample_world.scene import Box


@dataclass(frozen=True, kw_only=True)
class WalkTruth:
    """What is known about a rendered walk because it was made so.

    Args:
        width, height: size of a picture, px.
        fps: pictures per second; picture `index` is shown at index / fps seconds.
        frames: number of pictures.
        seed: what it was rendered from.
        cuts_s: when the first picture of each new shot is shown, s.
        lightness: mean CIELAB L* (0 to 100, D65) of each picture before encoding.
        face_boxes: picture index -> boxes (left, top, right, bottom), px, of the human faces in it
            that are at least 1/48 of the picture high and of which more than half can be seen;
            pictures without one are left out.
    """

    width: int
    height: int
    fps: int
    frames: int
    seed: int
    cuts_s: tuple[float, ...]
    lightness: tuple[float, ...]
    face_boxes: dict[int, tuple[Box, ...]]

    @property
    def duration_s(self) -> float:
        """Length of the video, s."""
        return self.frames / self.fps

    def to_json(self) -> str:
        """Return the truth as JSON text; L* to 0.001, boxes to 0.1 px."""
        record = asdict(self)
        record["lightness"] = [round(value, 3) for value in self.lightness]
        record["face_boxes"] = {
            str(index): [[round(value, 1) for value in box] for box in boxes]
            for index, boxes in self.face_boxes.items()
        }
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> "WalkTruth":
        """Return the truth that `to_json` wrote.

        Raises:
            WtoursError: the text is not such a record.
        """
        try:
            record = json.loads(text)
            record["cuts_s"] = tuple(record["cuts_s"])
            record["lightness"] = tuple(record["lightness"])
            record["face_boxes"] = {
                int(index): tuple((b[0], b[1], b[2], b[3]) for b in boxes)
                for index, boxes in record["face_boxes"].items()
            }
            return cls(**record)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise WtoursError(
                f"this is not the truth of a sample walk ({type(error).__name__}: {error})",
                remedy="render the walk again, which writes its truth beside it",
            ) from error


def truth_path(video: Path) -> Path:
    """Return where the truth of a rendered video stands: `<stem>.truth.json` beside it."""
    return video.with_name(f"{video.stem}.truth.json")


def read_truth(video: Path) -> WalkTruth:
    """Read the truth beside a rendered video.

    Raises:
        WtoursError: it is missing or is no such record.
    """
    path = truth_path(video)
    try:
        return WalkTruth.from_json(path.read_text())
    except OSError as error:
        raise WtoursError(
            f"{path}: the truth of the sample walk cannot be read ({error.strerror})",
            remedy="render the walk again, which writes its truth beside it",
        ) from error
