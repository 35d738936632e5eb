"""Detections kept tar by tar: gone on with, made again where damaged, never mixed."""

import json
from pathlib import Path

import pytest

from analysis.detections import find_objects, kept_objects
from tests.analysis.brightness import Brightness
from tests.analysis.sets import make_set
from wtours.shards import ShardSet


def test_a_run_that_broke_off_goes_on_and_gives_the_same(walk: ShardSet, tmp_path: Path) -> None:
    whole = find_objects([walk], Brightness(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        find_objects([walk], Brightness(fail_after=20), tmp_path / "out", batch=4)
    detector = Brightness()
    found = find_objects([walk], detector, tmp_path / "out", batch=4)
    assert detector.looked == 40 - 16  # the first tar was done
    assert found.detections.equals(whole.detections)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]
    detector = Brightness()
    assert find_objects([walk], detector, tmp_path / "out").detections.equals(whole.detections)
    assert detector.looked == 0


def test_another_detector_and_a_set_that_grew_never_mix(walk: ShardSet, tmp_path: Path) -> None:
    first = find_objects([walk], Brightness(), tmp_path / "out")
    other = Brightness(least=110)
    found = find_objects([walk], other, tmp_path / "out")
    assert other.looked == 40
    assert len(found.detections) < len(first.detections)
    assert found.record["digest"] != first.record["digest"]
    street = make_set(tmp_path / "street", frames=9, seed=3)
    more = Brightness()
    assert len(find_objects([walk, street], more, tmp_path / "out").looked) == 49
    assert more.looked == 9


@pytest.mark.parametrize("harm", ["cut", "zeros", "bytes", "empty", "another"])
def test_a_damaged_file_is_found_and_made_again(walk: ShardSet, tmp_path: Path, harm: str) -> None:
    whole = find_objects([walk], Brightness(), tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    assert len(files) == 3
    content = files[1].read_bytes()
    files[1].write_bytes(
        {
            "cut": content[: len(content) // 2],
            "zeros": content[:40] + bytes(60) + content[100:],
            "bytes": content[:60] + bytes([content[60] ^ 1]) + content[61:],
            "empty": b"",
            "another": files[0].read_bytes(),
        }[harm]
    )
    detector = Brightness()
    found = find_objects([walk], detector, tmp_path / "out")
    assert 0 < detector.looked <= 16
    assert found.detections.equals(whole.detections)
    assert files[1].read_bytes() == content


def test_what_was_found_is_read_without_a_detector(walk: ShardSet, tmp_path: Path) -> None:
    assert kept_objects([walk], tmp_path / "out") == ()
    made = [find_objects([walk], Brightness(least=v), tmp_path / "out") for v in (100, 110)]
    kept = {one.record["digest"]: one for one in kept_objects([walk], tmp_path / "out")}
    assert len(kept) == 2
    for one in made:
        again = kept[one.record["digest"]]
        assert again.detections.equals(one.detections)
        assert again.looked.equals(one.looked)
        assert dict(again.record) == dict(one.record)
    street = make_set(tmp_path / "street", frames=9, seed=3)
    assert kept_objects([walk, street], tmp_path / "out") == ()
    json_file = next((tmp_path / "out").rglob("detector.json"))
    json_file.write_text(json.dumps({"detector": {}, "names": []}))
    assert len(kept_objects([walk], tmp_path / "out")) == 1
