"""docs/cluster.md: its scripts are bash, its status and options those of the program."""

import re
import signal
import subprocess
import time
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


SLURM = {
    "scontrol": 'if [ "$1" = requeue ]; then echo "$2" > requeued; else echo node1; fi',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done\n'
    'SLURM_PROCID=5 SLURM_NTASKS=8 SLURM_LOCALID=1 SLURM_NTASKS_PER_NODE=4 exec "$@"',
}
"""Stand-ins for its programs; srun hands signals on, as the process that it becomes."""


def submit(folder: Path, *, dora: str) -> "subprocess.Popen[str]":
    """Run the Slurm script in a folder, with a stand-in for dora."""
    script = next(script for script in SCRIPTS if "#SBATCH" in script)
    for name, text in {**SLURM, "dora": dora}.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("status", "requeued"), [(75, True), (0, False), (2, False), (1, False)])
def test_the_slurm_script_requeues_only_a_run_that_is_to_go_on(
    tmp_path: Path, status: int, requeued: bool
) -> None:
    told = "$RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR $*"
    job = submit(tmp_path, dora=f'echo "{told}" > told; exit {status}')
    _, errors = job.communicate(timeout=60)
    assert job.returncode == status, errors
    assert (tmp_path / "told").read_text().startswith("5 8 1 4 node1 train --shards")
    assert (tmp_path / "requeued").is_file() == requeued


def test_a_job_that_is_preempted_waits_for_the_checkpoint_and_is_requeued(tmp_path: Path) -> None:
    steps = "for i in {1..600}; do sleep 0.1; done"
    job = submit(
        tmp_path, dora=f'trap "sleep 0.5; touch saved; exit 75" TERM; touch begun; {steps}'
    )
    until = time.monotonic() + 30
    while not (tmp_path / "begun").is_file() and time.monotonic() < until:
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 75, errors
    assert (tmp_path / "saved").is_file()
    assert (tmp_path / "requeued").is_file()
