"""Pictures a second of finding objects in shards, beside the bare network's forward.

    python -m benchmarks.detect [--onnx yolox_nano.onnx] [--video FILE] [--runs 5] [--out FOLDER]

The bare forward has its inputs ready in memory and its outputs thrown away; all of it reads, checks
and decodes JPEGs, scales them, makes boxes of the outputs and writes them down. Both alternate in
one process, on the same cores. The seconds of processor time of both tell what is possible: where
every core is busy, all of it cannot reach more of the bare rate than the network's share of them.
Networks in torch have random weights. Without a video, a short sample walk is rendered.
"""

import argparse
import math
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray

from analysis.detection_run import ahead
from analysis.detection_units import units_of
from analysis.detections import find_objects
from analysis.detectors.detic.backbones.resnet import ResNetSizes
from analysis.detectors.detic.loading import load_detic
from analysis.detectors.detic.model import DeticModel, DeticSizes
from analysis.detectors.device import cores_of_process
from analysis.detectors.onnx import OnnxDetector, open_onnx
from analysis.detectors.onnx_model import open_session
from analysis.detectors.opening import open_detector
from analysis.detectors.yolox import fill
from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from wtours.integrity import check_video
from wtours.sample_walk import render_sample_walk
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards

WALK_S = 12.0
FASTER_RCNN = "fasterrcnn_resnet50_fpn"
DETIC_CLASSES = 1203
WHOLE = "all of it"


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A detector, and the ways of running its network alone."""

    name: str
    detector: Any
    """An `ObjectDetector` that prepares pictures."""
    bare: Mapping[str, Callable[[Sequence[Any]], object]]
    """Each takes the prepared batches."""
    pictures: int
    batch: int


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, make a video if there is none, and time a detector after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", type=Path, help="a YOLOX model")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--pictures", type=int, default=160, help="that a small network sees")
    parser.add_argument("--few", type=int, default=4, help="pictures that a large network sees")
    options = options_of(parser, runs=5, tokens=tokens)
    torch.set_num_threads(cores_of_process())
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        video = options.video or Path(scratch) / "walk.mp4"
        if options.video is None:
            render_sample_walk(video, duration_s=WALK_S, width=1280, height=720)
        for contest in contests(options, Path(scratch)):
            rows += measure(contest, video, Path(scratch), runs=options.runs)
    write_record("detect", rows, folder=options.out)


def contests(options: argparse.Namespace, scratch: Path) -> Iterator[Contest]:
    """Yield the detectors, each opened when its turn comes."""
    if options.onnx is not None:
        detector, cores = open_onnx(options.onnx), cores_of_process()
        alone = open_session(options.onnx, device="cpu", threads=cores)
        yield Contest(
            name=options.onnx.stem,
            detector=detector,
            bare={
                f"bare forward, a picture at a time on {cores} threads": partial(
                    run_in_turn, alone, detector
                ),
                f"bare forward, {detector.at_once} pictures at a time": partial(
                    run_at_once, detector
                ),
            },
            pictures=options.pictures,
            batch=8,
        )
    for name, opened in {FASTER_RCNN: open_faster_rcnn, "detic, ResNet-50": open_detic}.items():
        detector = opened(scratch)
        yield Contest(
            name=name,
            detector=detector,
            bare={"bare forward": partial(look, detector)},
            pictures=options.few,
            batch=2,
        )


def open_faster_rcnn(scratch: Path) -> Any:
    """Return torchvision's detector with random weights."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(
        FASTER_RCNN, weights=None, weights_backbone=None, num_classes=91
    )
    torch.save(network.state_dict(), scratch / "rcnn.pth")
    return open_detector(f"torchvision:{FASTER_RCNN}", weights=scratch / "rcnn.pth", device="cpu")


def open_detic(scratch: Path) -> Any:
    """Return Detic of its published sizes with random weights, and as many classes as LVIS."""
    torch.manual_seed(0)
    state = DeticModel(DeticSizes(backbone=ResNetSizes())).state_dict()
    classifier = torch.randn(DeticSizes().width_embedding, DETIC_CLASSES + 1)
    classifier[:, -1] = 0  # the background
    for stage in range(3):
        state[f"roi_heads.box_predictor.{stage}.cls_score.zs_weight"] = classifier
    torch.save({"model": state}, scratch / "detic.pth")
    return load_detic(scratch / "detic.pth")


def run_in_turn(session: Any, detector: OnnxDetector, batches: Sequence[Any]) -> None:
    """Run the network on a picture after the other."""
    for inputs in inputs_of(detector, batches):
        session.run(None, {detector.layout.input_name: inputs})


def run_at_once(detector: OnnxDetector, batches: Sequence[Any]) -> None:
    """Run the network on several pictures at a time."""
    calls = (partial(detector.run, inputs) for inputs in inputs_of(detector, batches))
    deque(ahead(calls, threads=detector.at_once), maxlen=0)


def inputs_of(detector: OnnxDetector, batches: Sequence[Any]) -> Iterator[NDArray[Any]]:
    """Yield an input for each picture: always the first, since no value changes the time."""
    inputs = np.zeros((1, 3, detector.layout.height, detector.layout.width), detector.layout.dtype)
    fill(inputs, batches[0].scaled[:1])
    for batch in batches:
        for _ in batch.scaled:
            yield inputs


def look(detector: Any, batches: Sequence[Any]) -> None:
    """Run a network in torch; what it leaves is read, since its last layers make the boxes."""
    for batch in batches:
        detector.detect_prepared(batch)


def measure(contest: Contest, video: Path, scratch: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return a row for all of it and for each way of the bare forward."""
    detector = contest.detector
    shard_set = pictures_of(video, scratch / contest.name, count=contest.pictures)
    (unit,) = units_of([shard_set])
    read = [call().images for call in unit.batches(contest.batch)]
    prepared = [detector.prepare(images) for images in read]
    folders = (scratch / contest.name / str(number) for number in range(runs + 1))
    require_same_boxes(contest, shard_set, read, next(folders))
    ways: dict[str, Callable[[], object]] = {
        way: partial(run, prepared) for way, run in contest.bare.items()
    }
    ways[WHOLE] = lambda: find_objects([shard_set], detector, next(folders), batch=contest.batch)
    passed_s, busy_s = alternate_and_weigh(ways, runs=runs)
    fastest_s = np.min([passed_s[way] for way in contest.bare], axis=0)
    least_busy_s = np.min([busy_s[way] for way in contest.bare], axis=0)
    return [
        {
            "name": f"{contest.name}: {way}",
            "picture_px": [unit.sizes[0][1].item(), unit.sizes[0][0].item()],
            "pictures": unit.pictures,
            "pictures_per_s": spread([unit.pictures / one_s for one_s in passed_s[way]]),
            "of_the_faster_bare": spread(list(fastest_s / passed_s[way])),
            "processor_ms_a_picture": spread([1e3 * one / unit.pictures for one in busy_s[way]]),
            "share_of_the_network": spread(list(least_busy_s / busy_s[way])),
        }
        for way in ways
    ]


def pictures_of(video: Path, folder: Path, *, count: int) -> ShardSet:
    """Return a shard set of so many pictures of a video, with faces as they are."""
    duration = Fraction(check_video(video).duration_s).limit_denominator(1000)
    settings = ShardSettings(
        fps=count / duration, cuts=None, blur=None, tar_s=float(max(1, math.ceil(duration)))
    )
    shard_videos([video], out=folder, settings=settings)
    (shard_set,) = open_shards(folder)
    return shard_set


def require_same_boxes(
    contest: Contest, shard_set: ShardSet, read: Sequence[list[NDArray[np.uint8]]], folder: Path
) -> None:
    """Stop if threads and files change a box of what the detector gives batch by batch."""
    plain = [one for images in read for one in contest.detector.detect(images)]
    table = find_objects([shard_set], contest.detector, folder, batch=contest.batch).detections
    assert len(table) == sum(len(one) for one in plain)
    for name, values in {
        "score": [one.scores for one in plain],
        "class_id": [one.classes for one in plain],
        "x0": [one.boxes[:, 0] for one in plain],
        "y1": [one.boxes[:, 3] for one in plain],
    }.items():
        assert np.array_equal(table[name].to_numpy(), np.concatenate(values)), name


def alternate_and_weigh(
    ways: Mapping[str, Callable[[], object]], *, runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds of each run, and those of the processor; A B C A B C."""
    passed_s: dict[str, list[float]] = {name: [] for name in ways}
    busy_s: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, run in ways.items():
            start_s, start_busy_s = time.perf_counter(), time.process_time()
            run()
            passed_s[name].append(time.perf_counter() - start_s)
            busy_s[name].append(time.process_time() - start_busy_s)
    return passed_s, busy_s


if __name__ == "__main__":
    main()
