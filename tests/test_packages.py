"""What a wheel has: every package of the four, and nothing of the programs that measure."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from setuptools import find_packages

from bench import program
from tests.modules import ROOT, house, name_of


def test_a_wheel_has_every_package_but_the_measuring_programs() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = configuration["tool"]["setuptools"]["packages"]["find"]
    packages = {name_of(file.parent.relative_to(ROOT)) for file in house()}
    assert set(find_packages(str(ROOT), include=patterns["include"])) == packages
    assert len(packages) > 30


def test_a_measurement_begins_its_own_module_in_a_checkout() -> None:
    """Nothing of it is installed, so the current folder has to be searched."""
    command = [*program.ITSELF, "bench.merging", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m bench.merging" in done.stdout


def test_modules_form_no_circle_not_even_by_what_is_imported_for_types() -> None:
    """The import contract compares neighbours; a package's own module and the modules in it are none."""
    modules = {name_of(file.relative_to(ROOT)).removesuffix(".__init__"): file for file in house()}
    needed = {name: {*_imported(file, modules)} - {name} for name, file in modules.items()}
    assert len([*TopologicalSorter(needed).static_order()]) == len(modules)  # else a CycleError that names the circle


def _imported(file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules of ours that a file imports before any function is called, those for types too."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for statement in [*body, *(inner for outer in body if isinstance(outer, ast.If) for inner in outer.body)]:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                inside = f"{statement.module}.{alias.name}"
                yield from {inside if inside in modules else str(statement.module)} & modules.keys()
