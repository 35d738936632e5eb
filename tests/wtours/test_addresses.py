"""Commands that read files of this machine refuse addresses, in a sentence that says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from wtours.cli import main

COMMANDS = {
    "verify": ["verify", "{}"],
    "card": ["card", "{}"],
    "audit": ["audit", "{}"],
    "analyze": ["analyze", "--shards", "{}"],
    "analyze, group": ["analyze", "--group", "Walks={}"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "address", ["s3://bucket/shards", "https://host/shards/venice", "memory://walks/*"]
)
def test_address_is_refused_in_a_sentence(
    command: Callable[..., tuple[int, str, str]], name: str, address: str
) -> None:
    status, out, err = command(main, *(token.format(address) for token in COMMANDS[name]))
    assert status == 2
    assert out == ""
    assert "is an address, and this command reads files of this machine only" in err
    assert "copy the shard sets here first" in err
    assert address.partition("://")[0] in err
    assert "Traceback" not in err


def test_misspelt_path_is_not_taken_for_an_address(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    status, _, err = command(main, "verify", str(tmp_path / "walk: the first.mp4"))
    assert status == 2
    assert "there is no such file" in err
