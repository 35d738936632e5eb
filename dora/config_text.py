"""The configuration tree as text: JSON in checkpoints, `clip.frames=4` on the command line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cattrs
from cattrs.preconf.json import JsonConverter, make_converter

from dora.config import RunConfig
from dora.errors import ConfigError, DoraError


def _plain(value: Any, kind: type) -> Any:
    """Return a value that is of its type already: "False" is no bool, and 2.7 epochs are not 2."""
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _real(value: Any, _: type) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _strict_converter() -> JsonConverter:
    converter = make_converter(forbid_extra_keys=True)
    for kind in (bool, int, str):
        converter.register_structure_hook(kind, _plain)
    converter.register_structure_hook(float, _real)
    return converter


_converter = _strict_converter()


def config_to_json(config: RunConfig) -> str:
    """Return the tree as JSON."""
    return _converter.dumps(config, indent=2)


def config_from_json(text: str, *, source: str) -> RunConfig:
    """Return the tree of `config_to_json`.

    Args:
        text: JSON.
        source: where it comes from, for the error.

    Raises:
        ConfigError: an option is unknown, missing, or of another type.
    """
    try:
        return _converter.loads(text, RunConfig)
    except (cattrs.BaseValidationError, ValueError) as fault:
        raise ConfigError(
            f"{source} holds no configuration of this release: {_sentence(fault)}",
            remedy="use the release of wtours that wrote it",
        ) from None


def with_settings(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    """Return the tree with some options changed.

    Args:
        config: where to start from.
        settings: such as `clip.frames=4` or `augment.local_view.px=64`; values are JSON, or plain
            words.

    Raises:
        ConfigError: an option is unknown, or its value is of another type or contradicts another.
    """
    tree = json.loads(config_to_json(config))
    for setting in settings:
        path, equals, text = setting.partition("=")
        *branches, leaf = path.split(".")
        node = tree
        for branch in branches:
            node = node.get(branch) if isinstance(node, dict) else None
        if not equals or not isinstance(node, dict) or leaf not in node:
            raise ConfigError(
                f"--set {setting} names no option",
                remedy=f"write NAME=VALUE with one of: {', '.join(sorted(dict(leaves(tree))))}",
            )
        node[leaf] = _value(text)
    try:
        return _converter.structure(tree, RunConfig)
    except cattrs.BaseValidationError as fault:
        raise _own_fault(fault) or ConfigError(
            f"--set {' '.join(settings)}: {_sentence(fault)}",
            remedy="see the option's type in dora/config/",
        ) from None


def mix_setting(text: str) -> str:
    """Return `venice=2,zurich=1` as a setting of the mix.

    Raises:
        ConfigError: a name has no weight, or one that is no number.
    """
    pairs = []
    for part in text.split(","):
        name, _, weight = part.rpartition("=")
        try:
            pairs.append((name.strip(), float(weight)))
        except ValueError:
            raise ConfigError(
                f"--mix {text}: {part.strip()!r} gives no name a weight",
                remedy="write NAME=WEIGHT,NAME=WEIGHT, such as venice=2,zurich=1",
            ) from None
    return f"data.mix={json.dumps(pairs)}"


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every option of a tree by its dotted name."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(ours: RunConfig, theirs: RunConfig) -> list[str]:
    """Return a phrase for each option in which two runs differ."""
    first, second = (dict(leaves(json.loads(config_to_json(c)))) for c in (ours, theirs))
    return [
        f"{name} {first.get(name)!r} instead of {second.get(name)!r}"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sentence(fault: Exception) -> str:
    if isinstance(fault, cattrs.BaseValidationError):
        found = cattrs.transform_error(fault, format_exception=_describe)
        return "; ".join(found).replace("$.", "")
    return str(fault)


def _describe(fault: BaseException, kind: type | None) -> str:
    """Return what is wrong with one value; the converter's own words hide most of it."""
    if type(fault) in (Exception, ValueError):
        return str(fault)
    return cattrs.v.format_exception(fault, kind)


def _own_fault(fault: BaseException) -> DoraError | None:
    """Return the fault that the configuration itself found, from under the converter's groups."""
    if isinstance(fault, BaseExceptionGroup):
        found = (_own_fault(part) for part in fault.exceptions)
        return next((own for own in found if own is not None), None)
    return fault if isinstance(fault, DoraError) else None
