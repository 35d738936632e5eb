"""A table of a TOML file whose getters check: a fault names file, entry and key, with a remedy."""

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError


def load_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file at `path` says; raise WtoursError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise WtoursError(
            f"{path}: there is no such manifest", remedy="check the path given with --manifest"
        ) from error
    except OSError as error:
        raise WtoursError(
            f"{path} cannot be read ({error.strerror})", remedy="name a manifest file (TOML)"
        ) from error
    except UnicodeDecodeError as error:
        raise WtoursError(
            f"{path} is not text in UTF-8 (byte {error.start})",
            remedy="name a manifest file (TOML)",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise WtoursError(f"{path} is not TOML: {error}", remedy="mend that line") from error


class TomlTable:
    """One table of the file, with the words for its place; every getter checks."""

    def __init__(self, values: dict[str, Any], *, where: str) -> None:
        self.values = values
        self.where = where

    def allow(self, *keys: str) -> None:
        """Refuse every key that is not among `keys`."""
        for key in self.values:
            if key not in keys:
                remedy = did_you_mean(key, keys) or f"known keys are: {', '.join(sorted(keys))}"
                raise WtoursError(f"{self.where}: unknown key {key!r}", remedy=remedy)

    def need(self, *keys: str) -> None:
        """Refuse the table if one of `keys` is not in it."""
        for key in keys:
            if key not in self.values:
                raise WtoursError(
                    f"{self.where}: the key {key!r} is missing", remedy=f"add {key} = ... to it"
                )

    def text(self, key: str) -> str | None:
        """Return a text, or None where the key is absent."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.wrong(key, "a text in quotes that is not empty")
        return value

    def positive(self, key: str) -> int | float | None:
        """Return a finite number above 0, or None where the key is absent."""
        value = self.values.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < float("inf")):
            raise self.wrong(key, "a number above 0")
        return value

    def count(self, key: str) -> int | None:
        """Return a whole number above 0, or None where the key is absent."""
        value = self.positive(key)
        if value is not None and not isinstance(value, int):
            raise self.wrong(key, "a whole number above 0")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], form: str) -> str | None:
        """Return a text that `pattern` matches wholly; `form` says in words what it asks for."""
        value = self.text(key)
        if value is not None and not pattern.fullmatch(value):
            raise self.wrong(key, form)
        return value

    def table(self, key: str) -> "TomlTable | None":
        """Return the table written [key], or None where the key is absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, f"one table, with [{key}] above its keys")
        return None if value is None else TomlTable(value, where=f"{self.where}, {key}")

    def tables(self, key: str) -> "list[TomlTable]":
        """Return the tables written [[key]], numbered from 1; none where the key is absent."""
        entries = self.values.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self.wrong(key, f"tables, with [[{key}]] above the keys of each")
        return [
            TomlTable(entry, where=f"{self.where}, {key} {number}")
            for number, entry in enumerate(entries, start=1)
        ]

    def wrong(self, key: str, form: str) -> WtoursError:
        """Return the error for a value that is not of the form asked for."""
        return WtoursError(
            f"{self.where}: {key} is {self.values[key]!r}", remedy=f"write {key} as {form}"
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question with the closest known word, or '' where none is close."""
    closest = get_close_matches(word, list(known), n=1)
    return f"did you mean {closest[0]!r}?" if closest else ""
