"""Fixtures that every room of the tests shares."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

# Fixed seeds, and no clock: a busy machine is no failure.
hypothesis.settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("reproducible")

REPOSITORY = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Take interrupts, which a shell's background jobs ignore: children inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with its reason, what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of real recordings; the test is skipped, with a reason, where it is absent."""
    named = os.environ.get("WTOURS_TEST_MEDIA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "media"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no real recordings at {folder}; name their folder in WTOURS_TEST_MEDIA")
    return folder


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Give a command line's `main` words in an empty folder: status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(main: Callable[[list[str]], NoReturn], *words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, printed.out, printed.err

    return run
