"""Names say what they hold: words that fit everything are no names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("workbench", "fusion", "tasks", "experiments", "bench")
VAGUE = {"one", "each", "found", "place", "places", "told", "said"}
ALLOWED = {
    ("workbench/methods/heads.py", "each"),  # begins the names of tensors in stored adapters
    ("workbench/methods/libraries/hypernetwork.py", "places"),  # the same
}


def bound(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module gives a name to."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_fits_everything(package: str) -> None:
    vague = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in bound(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_") in VAGUE and (path.relative_to(ROOT).as_posix(), name) not in ALLOWED
    ]
    assert not vague, "say what it is"
