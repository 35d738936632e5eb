"""`dora train` ended at any moment leaves a sentence, a whole checkpoint and no process."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from dora.train.checkpoint import load_checkpoint
from dora.train.records import read_log
from tests.dora.tiny_run import tiny_run
from tests.dora.train.test_run import assert_same_state, command, environment, losses
from tests.dora.train.test_run import run as train_here
from tests.shard_making import make_shard_set

MARK = "DORA_TEST_RUN"
PROC = Path("/proc")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shard_set(tmp_path_factory.mktemp("shards") / "walk", frames=30)


class Run:
    """A long run in a process group of its own, whose processes can be told by a mark."""

    def __init__(self, shards: Path, out: Path, *, epochs: int = 2000) -> None:
        self.out = out
        self.mark = f"{MARK}={out}-{time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [*command(shards, out), "--set", f"epochs={epochs}", "--set", "data.workers=2"],
            env={**environment(), name: value},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_steps(self, steps: int) -> None:
        log = self.out / "log.jsonl"
        while not (log.is_file() and log.read_text().count("\n") >= steps):
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.02)

    def end(self, number: signal.Signals, *, group: bool = False) -> tuple[int, str]:
        """Send a signal; return the exit status and what was written on stderr."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        status = self.process.wait(timeout=120)
        self.assert_gone()  # who is left would keep stderr open
        return status, self.process.communicate()[1]

    def processes(self) -> dict[int, str]:
        """Return the commands of the run's processes that are still there, by their numbers."""
        found = {}
        for entry in PROC.glob("[0-9]*"):
            try:
                if f"\0{self.mark}\0".encode() in b"\0" + (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # ended, or another user's
        return found

    def assert_gone(self) -> None:
        """Fail if processes of the run stay; a fork server ends when its imports are done."""
        until = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left

    def assert_whole(self) -> None:
        """A checkpoint is none or whole, and the log has all steps before it."""
        if (self.out / "checkpoint.pth").is_file():
            step = load_checkpoint(self.out / "checkpoint.pth").step
            lines = (self.out / "log.jsonl").read_bytes().count(b"\n")
            assert lines >= step


def assert_stopped(run: Run, number: signal.Signals, *, group: bool) -> None:
    """Send a signal; a person's Ctrl-C ends with 2, a scheduler's with what it can requeue on."""
    status, errors = run.end(number, group=group)
    assert status == (2 if number == signal.SIGINT else 75), errors
    assert "Traceback" not in errors
    assert "stopped; give the same command again" in errors or errors.count("\n") <= 1, errors
    run.assert_whole()


needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="processes are counted in /proc")


@needs_proc
def test_interrupted_while_starting(shards: Path, tmp_path: Path) -> None:
    run = Run(shards, tmp_path)
    time.sleep(random.Random(0).uniform(0.5, 2.0))
    assert_stopped(run, signal.SIGINT, group=True)


@needs_proc
def test_ended_with_its_group_while_running(shards: Path, tmp_path: Path) -> None:
    """Of SIGTERM those that read would die, were they still of the group: see `reading`."""
    run = Run(shards, tmp_path)
    run.wait_for_steps(3)
    reading = [pid for pid in run.processes() if os.getpgid(pid) == pid != run.process.pid]
    assert len(reading) == 2
    assert_stopped(run, signal.SIGTERM, group=True)
    assert len(read_log(tmp_path)) == load_checkpoint(tmp_path / "checkpoint.pth").step >= 3


@needs_proc
def test_killed_and_started_again_it_equals_the_unbroken_run(shards: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the command: sums depend on it
    run = Run(shards, tmp_path / "killed", epochs=4)
    run.wait_for_steps(3)
    assert run.end(signal.SIGKILL)[0] == -signal.SIGKILL
    run.assert_whole()
    for folder in ("killed", "unbroken"):
        assert train_here(tiny_run(), shards, tmp_path / folder) == 8
    assert_same_state(tmp_path / "killed", tmp_path / "unbroken")
    assert losses(tmp_path / "killed") == losses(tmp_path / "unbroken")
    torch.set_num_threads(threads)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
@pytest.mark.parametrize("group", [False, True])
def test_ended_at_random_moments(
    number: signal.Signals, group: bool, shards: Path, tmp_path: Path
) -> None:
    moments = random.Random(int(number) + group)
    for attempt in range(10):
        run = Run(shards, tmp_path)
        if attempt % 2:
            run.wait_for_steps(1)
        time.sleep(moments.uniform(0.3, 4.0))
        if number == signal.SIGKILL:
            run.end(number, group=group)
            run.assert_whole()
        else:
            assert_stopped(run, number, group=group)
