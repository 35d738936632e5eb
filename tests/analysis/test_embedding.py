"""What a page holds of every frame is what the tables say."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import report as report_module
from analysis import timelines
from analysis.detections import Objects
from analysis.embedding import MISSING, boxes_in_frame, keep_every
from analysis.report import Report, write_report
from tests.analysis.objects import WALK, make_objects
from tests.analysis.sets import make_set, set_column


def embedded(report: Report) -> dict[str, Any]:
    page = report.page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', page, re.S)
    assert found is not None
    result: dict[str, Any] = json.loads(found[1])
    return result


def numbers(text: str, kind: str) -> Any:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Objects, Report]:
    folder = tmp_path_factory.mktemp("walk")
    shards = [make_set(folder / "walk", frames=12), make_set(folder / "bare", frames=3)]
    lightness = [float(10 * n) if n != 4 else np.nan for n in range(12)]
    set_column(shards[0], "lightness_mean", lightness)
    objects = make_objects(shards, {"walk": WALK}, unseen={"walk": [5]})
    with pytest.MonkeyPatch.context() as patch:  # figures take most of a report's time
        patch.setattr(report_module, "draw_gallery", lambda *_, **__: iter(()))
        return folder, objects, write_report(shards, folder / "out", objects=objects)


def test_values_of_every_frame_are_those_of_the_tables(
    walk: tuple[Path, Objects, Report],
) -> None:
    folder, _, report = walk
    pictures = pd.read_parquet(folder / "out" / "tables" / "pictures.parquet")
    counts = pd.read_parquet(folder / "out" / "tables" / "objects.parquet")
    for video in embedded(report)["videos"]:
        mine = pictures[pictures["video"] == video["name"]]
        ticks = numbers(video["ticks"]["tick"], "<u4")
        assert ticks.tolist() == mine["tick"].tolist()
        times_ms = numbers(video["ticks"]["time"], "<u4")
        assert times_ms.tolist() == (mine["time_s"] * 1000).round().tolist()
        for name in ("mean", "p5", "p50", "p95"):
            stored = numbers(video["ticks"][name], "<u2")
            shown = np.where(stored == MISSING, np.nan, stored / 100)
            np.testing.assert_allclose(shown, mine[f"lightness_{name}"], atol=0.0051)
        of_video = counts[counts["video"] == video["name"]].set_index("tick")
        for name in ("classes", "instances"):
            stored = dict(zip(ticks, numbers(video["ticks"][name], "<u2"), strict=True))
            known = {tick: number for tick, number in stored.items() if number != MISSING}
            assert known == of_video[name].to_dict()
    assert 5 not in counts.loc[counts["video"] == "walk", "tick"].tolist()


def test_boxes_of_every_frame_are_those_that_count_the_surest_first(
    walk: tuple[Path, Objects, Report],
) -> None:
    page = embedded(walk[2])
    video = next(each for each in page["videos"] if each["name"] == "walk")
    boxes = video["boxes"]
    first = numbers(boxes["first"], "<u4")
    kinds, scores = numbers(boxes["kind"], "<u2"), numbers(boxes["score"], "u1")
    edges = numbers(boxes["edges"], "u1").reshape(-1, 4)
    found = [
        (tick, page["names"][kinds[box]], scores[box] / 100, tuple(edges[box] / 255))
        for tick in range(12)
        for box in range(first[tick], first[tick + 1])
    ]
    counted = walk[1].detections.query("score >= 0.5")
    assert [(tick, name) for tick, name, _, _ in found] == list(
        zip(counted["tick"], counted["name"], strict=True)
    )
    np.testing.assert_allclose([each[2] for each in found], counted["score"], atol=0.0051)
    size = np.asarray([64, 48, 64, 48])
    np.testing.assert_allclose(
        [each[3] for each in found], counted[["x0", "y0", "x1", "y1"]] / size, atol=0.5 / 255
    )


def test_a_page_without_room_holds_the_surest_boxes_and_says_so(
    walk: tuple[Path, Objects, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "BOX_BYTES", 10**7 / 4)
    monkeypatch.setattr(report_module, "draw_gallery", lambda *_, **__: iter(()))
    shards = [make_set(tmp_path / "walk", frames=12)]
    objects = make_objects(shards, {"walk": WALK})
    report = write_report(shards, tmp_path / "out", objects=objects)
    (video,) = embedded(report)["videos"]
    assert numbers(video["boxes"]["score"], "u1").tolist() == [90, 75, 51]
    assert "this page holds the surest 1;" in report.page.read_text(encoding="utf-8")
    assert "this page holds the surest" not in walk[2].page.read_text(encoding="utf-8")


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 300))
def test_as_many_boxes_are_kept_of_each_frame_as_the_budget_allows(
    boxes: list[int], budget: int
) -> None:
    def kept(most: int) -> int:
        return sum(min(each, most) for each in boxes)

    most = boxes_in_frame(np.asarray(boxes, dtype=np.int64), budget=budget)
    assert kept(most) <= budget
    assert most == max(boxes, default=0) or kept(most + 1) > budget


def test_so_many_frames_are_left_out_that_the_rest_fits() -> None:
    assert [keep_every(number) for number in (0, 1, 120_000, 120_001, 360_000)] == [1, 1, 1, 2, 3]
