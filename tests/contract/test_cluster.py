"""docs/cluster.md: its scripts are bash, its status and options those of the program."""

import re
import subprocess
from pathlib import Path

import pytest

from dora.exit_status import FAULT, GO_ON, MISTAKE

CLUSTER = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```bash\n(.*?)```", CLUSTER, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_every_script_is_bash(number: int) -> None:
    outcome = subprocess.run(
        ["bash", "-n"], input=SCRIPTS[number], capture_output=True, text=True, check=False
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_the_status_that_is_requeued_is_the_programs() -> None:
    told = [int(row) for row in re.findall(r"^\| (\d+) \|", CLUSTER, flags=re.MULTILINE)]
    assert told == [0, GO_ON, MISTAKE, FAULT]
    assert f'[ "$status" -eq {GO_ON} ]' in CLUSTER


@pytest.mark.parametrize(
    ("ends", "requeued"),
    [("exit 75", True), ("exit 0", False), ("exit 2", False), ("exit 1", False)],
)
def test_the_slurm_script_requeues_only_a_run_that_is_to_go_on(
    tmp_path: Path, ends: str, requeued: bool
) -> None:
    """With stand-ins for Slurm's programs and for dora."""
    slurm = next(script for script in SCRIPTS if "#SBATCH" in script)
    programs = {
        "scontrol": 'if [ "$1" = requeue ]; then echo "$2" > requeued; else echo node1; fi',
        "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; SLURM_PROCID=0 SLURM_NTASKS=1 '
        'SLURM_LOCALID=0 "$@"',
        "dora": f'echo "$RANK $WORLD_SIZE $LOCAL_RANK $MASTER_ADDR $*" > told; {ends}',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    outcome = subprocess.run(
        ["bash", "-c", slurm],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == int(ends.split()[1]), outcome.stderr
    assert (tmp_path / "told").read_text().startswith("0 1 0 node1 train --shards")
    assert (tmp_path / "requeued").is_file() == requeued
