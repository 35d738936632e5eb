"""Fixtures that the tests of several rooms of `dora` share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.dora.eval.tiny_networks import write_colours


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute as processes of one thread do: sums depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders that any network tells apart; a module's own, which it may change."""
    return write_colours(tmp_path_factory.mktemp("colours"))
