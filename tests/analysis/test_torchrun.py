"""`wtours analyze` and `find_objects` under the real torchrun, on the CPU."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from analysis.detections import find_objects
from analysis.run import Detection, analyse
from tests.analysis.brightness import Brightness
from tests.analysis.detectors.onnx_making import write_constant_model
from tests.analysis.detectors.test_onnx import NAMES, raw_of
from tests.analysis.sets import make_set
from tests.video_making import flat, write_video
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
_RANK = """
import os, sys, time
from pathlib import Path
from analysis.detections import find_objects
from tests.analysis.brightness import Brightness
from wtours.shards import open_shards

class Dying(Brightness):
    def detect(self, images):
        if self.looked > 4:
            os._exit(9)
        return super().detect(images)

class Slow(Brightness):
    def detect(self, images):
        time.sleep(0.3)
        return super().detect(images)

kind = Brightness
if sys.argv[3] != "none":
    kind = Dying if os.environ["RANK"] == sys.argv[3] else Slow
found = find_objects(open_shards(sys.argv[1]), kind(), Path(sys.argv[2]), batch=1)
"""


def torchrun(*words: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", str(processes), *map(str, words)),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    """One page, printed once; the same tables."""
    sets, out, alone = (tmp_path / name for name in ("shards", "out", "alone"))
    make_set(sets / "walk", pictures_per_tar=5)
    make_set(sets / "street", frames=9, seed=3)
    model = write_constant_model(tmp_path / "tiny.onnx", raw_of((9, 0.5, 0.25, 0.7, 0, 0.9, 1)))
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    options = {"--shards": sets, "--out": out, "--detector": f"onnx:{model}", "--names": names}
    words = [word for option in options.items() for word in option]
    run = torchrun("-m", "wtours", "analyze", *words)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [str(out / "index.html")]
    analyse(alone, shards=[sets], detection=Detection(detector=f"onnx:{model}", names=names))
    tables = {path.name for path in (alone / "tables").glob("*.parquet")}
    assert tables == {path.name for path in (out / "tables").glob("*.parquet")}
    for name in tables:
        one, other = (pd.read_parquet(where / "tables" / name) for where in (alone, out))
        pd.testing.assert_frame_equal(one, other)
    assert len(pd.read_parquet(out / "tables" / "detections.parquet")) == 49


def test_two_processes_share_the_stretches_of_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "walk.mp4", [flat(60 + 2 * i) for i in range(60)], rate=10)
    settings = ShardSettings(fps=Fraction(3), blur=None, cuts=None, short_side_px=48, tar_s=2.0)
    shard_videos([tmp_path / "walk.mp4"], out=tmp_path / "shards", settings=settings)
    model = write_constant_model(tmp_path / "tiny.onnx", raw_of((9, 0.5, 0.25, 0.7, 0, 0.9, 1)))
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    options = {
        "--shards": tmp_path / "shards",
        "--out": tmp_path / "out",
        "--detector": f"onnx:{model}",
        "--names": names,
        "--from": "videos",
    }
    words = [word for option in options.items() for word in option]
    run = torchrun("-m", "wtours", "analyze", tmp_path / "walk.mp4", *words)
    assert run.returncode == 0, run.stderr
    analyse(
        tmp_path / "alone",
        shards=[tmp_path / "shards"],
        detection=Detection(detector=f"onnx:{model}", names=names),
        source="videos",
        videos=[tmp_path / "walk.mp4"],
    )
    one, other = (
        pd.read_parquet(tmp_path / where / "tables" / "detections.parquet")
        for where in ("alone", "out")
    )
    pd.testing.assert_frame_equal(one, other)
    assert len(one) >= 18


@pytest.mark.parametrize("rank", [0, 1])
def test_when_a_process_dies_all_end_and_the_next_run_goes_on(tmp_path: Path, rank: int) -> None:
    sets, out, script = tmp_path / "shards", tmp_path / "out", tmp_path / "rank.py"
    make_set(sets / "walk", pictures_per_tar=2)
    script.write_text(_RANK)
    run = torchrun(script, sets, out, rank)
    assert run.returncode != 0
    kept = len(list(out.rglob("*.parquet")))
    assert kept >= 2
    run = torchrun(script, sets, out, "none")
    assert run.returncode == 0, run.stderr
    assert not [path for path in out.rglob("*") if path.suffix == ".lock"]
    shards, detector = open_shards(sets), Brightness()
    found = find_objects(shards, detector, out)
    assert detector.looked == 0
    assert found.detections.equals(
        find_objects(shards, Brightness(), tmp_path / "alone").detections
    )
