"""What the commands say of themselves, and what README and docs say of them, agree."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

import dora.cli
import wtours.cli

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def commands(app: App, name: str) -> Iterator[tuple[str, App]]:
    for word, child in app.resolved_commands().items():
        if word.startswith("-"):
            continue
        if child.default_command is not None:
            yield f"{name} {word}", child
        yield from commands(child, f"{name} {word}")


COMMANDS = [*commands(wtours.cli.app, "wtours"), *commands(dora.cli.app, "dora")]


def test_there_are_commands() -> None:
    names = {name for name, _ in COMMANDS}
    assert {"wtours fetch", "wtours shard", "dora train", "dora visualise tracks"} <= names


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_is_in_the_readme_and_every_option_has_help(name: str, command: App) -> None:
    assert f"{name} " in README or f"{name}\n" in README, f"README does not show `{name}`"
    assert command.help, f"`{name}` has no help"
    for argument in command.assemble_argument_collection(parse_docstring=True):
        if argument.show:
            assert argument.parameter.help, f"`{name} {argument.name}` has no help"


def test_the_readme_lists_every_file_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", README, flags=re.MULTILINE))
    packages = ("wtours", "analysis", "dora", "benchmarks")
    present = {
        str(path.relative_to(REPOSITORY))
        for package in packages
        for path in (REPOSITORY / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert listed == present, (
        f"missing: {sorted(present - listed)}; gone: {sorted(listed - present)}"
    )


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    documents += [*(REPOSITORY / "manifests").glob("*.md"), *(REPOSITORY / "wtours").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_options_that_the_readme_shows_exist() -> None:
    known = {
        name: {
            word
            for argument in command.assemble_argument_collection(parse_docstring=True)
            for word in argument.names
        }
        for name, command in COMMANDS
    }
    shown = re.findall(r"^(?:torchrun .*-m )?((?:wtours|dora) [^#\n]*)", README, flags=re.MULTILINE)
    assert shown
    for line in shown:
        name = max((n for n in known if line.startswith(n)), key=len, default="")
        assert name, f"README: {line}"
        for option in re.findall(r"(--[a-z-]+)", line):
            assert option in known[name], f"README: {line}"
