"""Which files of tests another version of transformers can change: ``python -m tests.versions FOLDER …`` prints them.

The others would show in the second environment of ``make test-latest`` what ``make test`` has shown. A file is one of
them if nothing that it imports leads to transformers, to a package that is built on it or to a registry, whose entries
may import them, and if it takes no fixture of a ``conftest.py`` but those that make rows.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from adapter_workbench.experiments.terminal.registries import EXTENDABLE
from tests.modules import file_of

ROOT = Path(__file__).parents[1]
OTHERWISE = (
    "transformers",
    "tokenizers",
    "huggingface_hub",
    "peft",
    "adapters",
    "accelerate",
    "bitsandbytes",
    "lm_eval",
)
ROWS = {"task", "other_task", "copying", "budget", "toys"}  # fixtures that open no model


def depends(file: Path) -> bool:
    """Tell whether another version of transformers can change what a file of tests finds."""
    modules = reached(file)
    foreign = any(module.partition(".")[0] in OTHERWISE for module in modules)
    return foreign or bool(modules & EXTENDABLE.keys()) or bool(taken(file) & made(file))


def reached(file: Path) -> set[str]:
    """Return all modules that a file imports, and that those of this project import, anywhere in them."""
    modules: set[str] = set()
    waiting = [file]
    while waiting:
        for module in imported(waiting.pop()) - modules:
            modules.add(module)
            waiting += [path for path in [source(module)] if path]
    return modules


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the modules that a file imports when it runs, in functions too; of ``from a import b`` also ``a.b``."""
    names: set[str] = set()
    for node in _running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return frozenset(names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a program but those that only a type checker reads."""
    yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for child in ast.iter_child_nodes(node):
        yield from _running(child)


def source(module: str) -> Path | None:
    """Return the file of a module of this project; ``conftest.py`` is read for its fixtures alone."""
    return None if module.endswith("conftest") else file_of(module)


def taken(file: Path) -> set[str]:
    """Return the names of all arguments of a file's functions: fixtures are among them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {argument.arg for function in functions for argument in function.args.args}


def made(file: Path) -> set[str]:
    """Return the names of the fixtures that the ``conftest.py`` of a file and of the folders above it define."""
    folders = (folder for folder in file.parents if folder.is_relative_to(ROOT / "tests"))
    files = (folder / "conftest.py" for folder in folders)
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    functions = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {function.name for function in functions if _is_fixture(function)} - ROWS


def _is_fixture(function: ast.FunctionDef) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


if __name__ == "__main__":
    tests = [file for folder in sys.argv[1:] for file in sorted((ROOT / folder).rglob("test_*.py"))]
    print(*(file.relative_to(ROOT) for file in tests if depends(file)))
