"""`dora recipes`: the ablations that `dora train --recipe` knows."""

import json
from typing import Any

from rich.box import HORIZONTALS
from rich.console import Console
from rich.table import Table

from dora.config import RunConfig


def recipes(*, preset: str = "dora") -> None:
    """List the recipes: where in the paper each belongs, and which options it changes.

    Args:
        preset: the named run whose options they are laid over.
    """
    from dora.presets import named_preset
    from dora.recipes import RECIPES

    base = named_preset(preset)
    before = _options(base)
    table = Table("recipe", "in the paper", "what it is", box=HORIZONTALS)
    table.add_column(f"changes in {preset}", no_wrap=True)
    for recipe in RECIPES:
        after = _options(recipe.change(base))
        changes = [f"{name}={_short(after[name])}" for name in after if after[name] != before[name]]
        table.add_row(recipe.name, recipe.source, recipe.purpose, "\n".join(changes) or "-")
    Console().print(table)


def _options(config: RunConfig) -> dict[str, Any]:
    from dora.config_text import config_to_json, leaves

    return dict(leaves(json.loads(config_to_json(config))))


def _short(value: Any) -> str:
    """Return a value as `--set` takes it, or of several views how many."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{len(value)} views]"
    return value if isinstance(value, str) else json.dumps(value)
