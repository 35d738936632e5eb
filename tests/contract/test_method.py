"""docs/method.md: every difference of print and released code, and what the presets choose."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dora.config_text import config_to_json, leaves
from dora.presets import PRESETS

METHOD = (Path(__file__).parents[2] / "docs" / "method.md").read_text(encoding="utf-8")
NAMES = ("dora", "released", "paper", "one-gpu", "smoke")


def options(preset: str) -> dict[str, Any]:
    """Every option of a preset by its dotted name.

    A list of views counts; `name[].key` is what all views have, or the list of what each has.
    """
    found: dict[str, Any] = {}
    for name, value in leaves(json.loads(config_to_json(PRESETS[preset]()))):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found[name] = len(value)
            for key in value[0]:
                each = [one[key] for one in value]
                found[f"{name}[].{key}"] = each[0] if all(e == each[0] for e in each) else each
        else:
            found[name] = value
    return found


def cells(section: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    text = METHOD.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


DIFFERENCES = cells("Differences")
CHOSEN = {
    row[0].strip("`"): dict(zip(NAMES, row[1:], strict=True))
    for row in cells("What the presets choose")
}


def test_all_presets_are_told() -> None:
    assert set(NAMES) == set(PRESETS)


def test_every_difference_has_a_row_and_an_option_or_a_reason() -> None:
    assert [int(row[0]) for row in DIFFERENCES] == list(range(1, 32))
    for number, *texts in DIFFERENCES:
        assert all(texts), f"row {number}"
        assert named(texts[-1]) or texts[-1].startswith("none needed"), f"row {number}"


def named(cell: str) -> list[str]:
    """The options that a cell names: dotted words, such as `loss.pairs`."""
    return re.findall(r"`([a-z]+(?:\.[a-z_]+(?:\[\])?)+)`", cell)


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_options_of_a_difference_exist_and_their_choices_are_told(row: list[str]) -> None:
    for option in named(row[-1]):
        assert option in options("released"), f"row {row[0]}: {option}"
        assert option in CHOSEN, f"docs/method.md does not say what presets choose for {option}"


def test_every_option_in_which_print_and_released_code_differ_is_told() -> None:
    released, paper, dora = (options(name) for name in ("released", "paper", "dora"))
    differing = {
        name for name in released if not released[name] == paper.get(name) == dora.get(name)
    }
    assert differing - {"preset"} <= set(CHOSEN)


@pytest.mark.parametrize("preset", NAMES)
def test_the_presets_choose_what_is_told(preset: str) -> None:
    chosen = options(preset)
    told = {name: json.loads(values[preset].strip("`")) for name, values in CHOSEN.items()}
    assert told == {name: chosen[name] for name in told}
