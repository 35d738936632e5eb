"""What a detector is called where people read of it: the model, the kind, a hash of its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HASH_LETTERS = 8
_NAMED_BY = ("model", "config")
"""Settings that name a model wherever its weights lie."""
_ELSE_BY = ("family", "backbone")


def title_of(description: Mapping[str, Any], *, file: Path | None = None) -> str:
    """Return the name of a detector for people.

    >>> title_of({"detector": "hf", "weights_sha256": None, "settings": {"model": "org/owl"}})
    'org/owl (hf)'

    Args:
        description: as `ObjectDetector.describe` gives it.
        file: of its weights, whose name is told where the model has none of its own.
    """
    kind, settings = str(description.get("detector", "a detector")), description.get("settings", {})
    named = [settings[key] for key in _NAMED_BY if settings.get(key)]
    named += [file.stem] if file is not None else []
    named += [settings[key] for key in _ELSE_BY if settings.get(key)]
    sha256 = description.get("weights_sha256")
    inside = [kind] if named else []
    inside += [f"weights {str(sha256)[:_HASH_LETTERS]}"] if sha256 else []
    name = str(named[0]) if named else kind
    return f"{name} ({', '.join(inside)})" if inside else name
