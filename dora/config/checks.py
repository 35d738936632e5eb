"""What options may be; each check raises `ConfigError` where one is not."""

import math

from dora.errors import ConfigError


def require(holds: bool, fault: str, remedy: str) -> None:
    """Refuse a configuration for which something does not hold."""
    if not holds:
        raise ConfigError(fault, remedy=remedy)


def require_share(name: str, value: float) -> None:
    """Refuse what is no share of a whole."""
    require(0 <= value <= 1, f"{name} is {value}", "set it between 0 and 1")


def require_at_least(least: float, **options: float) -> None:
    """Refuse an option, its dots written as __, that is smaller, infinite or not a number."""
    for option, value in options.items():
        name = option.replace("__", ".")
        require(least <= value < math.inf, f"{name} is {value}", f"use {least:g} or more")


def require_positive(**options: float) -> None:
    """Refuse an option that is 0, negative, infinite or not a number."""
    for option, value in options.items():
        name = option.replace("__", ".")
        require(0 < value < math.inf, f"{name} is {value}", "use more than 0")


def require_scale(name: str, scale: tuple[float, float]) -> None:
    """Refuse what is no range of shares of an area."""
    require(
        0 < scale[0] <= scale[1] <= 1,
        f"{name} is {scale}",
        "give the smallest and largest share of the area, such as (0.4, 1.0)",
    )
