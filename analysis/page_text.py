"""Numbers as the page writes them; a dash where nothing is known."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from analysis.figures.style import duration_text

NOT_MEASURED = "–"


def number_text(value: Any, digits: int = 1) -> str:
    """Return a number with thousands apart, or a dash where it is missing.

    >>> number_text(1234.56), number_text(float("nan")), number_text(7, 0)
    ('1,234.6', '–', '7')
    """
    return NOT_MEASURED if pd.isna(value) else f"{value:,.{digits}f}"


def known_text(value: Any) -> str:
    """Return words, or a dash where there are none."""
    return NOT_MEASURED if pd.isna(value) else str(value)


def share_text(value: Any) -> str:
    """Return a share of 1 as per cent."""
    return NOT_MEASURED if pd.isna(value) else f"{100 * value:.0f} %"


def length_text(value: Any) -> str:
    """Return seconds as people write them."""
    return NOT_MEASURED if pd.isna(value) else duration_text(float(value))


def rate_text(value: float) -> str:
    """Return a rate in pictures per second without needless zeros.

    >>> rate_text(30000 / 1001), rate_text(1.0)
    ('29.97', '1')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


TEXTS: Mapping[str, Callable[[float, int], str]] = MappingProxyType(
    {
        "number": number_text,
        "share": lambda value, _: share_text(value),
        "length": lambda value, _: length_text(value),
    }
)
"""How the ends of an interval are written, by the kind of its figure."""
