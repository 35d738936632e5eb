"""A process that fails speaks first, and the others do not outlive it by more than moments."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os
import torch
from dora.errors import DoraError
from dora.command_end import end_with
from dora.train.distributed import mean_over_ranks, process_group, rank

def work():
    with process_group(torch.device("cpu")):
        for step in range(1000):
            mean_over_ranks(torch.ones(1))
            if step == 3 and rank() == int(os.environ["FAILING"]):
                raise DoraError("a fault of this process", remedy="mend it")

end_with(work, debug=False)
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "failing", [pytest.param(0, marks=pytest.mark.slow), 1], ids=["the first", "another"]
)
def test_the_fault_comes_first_and_all_end_within_a_minute(tmp_path: Path, failing: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    place |= {"FAILING": str(failing), "OMP_NUM_THREADS": "1"}
    place |= {"TORCHELASTIC_ERROR_FILE": str(tmp_path / "error.json")}
    with (tmp_path / "errors").open("w") as errors:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, **place, "RANK": str(number), "LOCAL_RANK": str(number)},
                stderr=errors,
            )
            for number in range(2)
        ]
        processes[failing].wait(timeout=180)
        failed = time.monotonic()
        other = processes[1 - failing]
        other.wait(timeout=60)
    assert time.monotonic() - failed < 60
    assert [process.returncode for process in processes] == [2, 2]
    text = (tmp_path / "errors").read_text()
    said = [line for line in text.splitlines() if line.startswith("dora: ")]
    assert said[0] == "dora: a fault of this process; mend it", text
    assert re.match(rf"dora: process {1 - failing} has lost the others of its run", said[1]), text
    assert "a fault of this process" in (tmp_path / "error.json").read_text()
