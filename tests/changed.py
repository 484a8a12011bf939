"""What a change needs: ``python -m tests.changed [--since COMMIT]`` runs the tests of the files that git calls changed.

- an entry of a registry (``workbench/methods/methods/lora.py``): of the tests that run over entries the cases of this
one, also
  those that wait for ``make acceptance``;
- any other module: the files of tests that import it;
- a file of tests: itself; a recipe, a task, a backbone: the files of tests that speak of its registry;
- a page: the files of tests that read all pages; what else is named in a file of tests: that file.

It is the short way while working. Only ``make test`` and ``make acceptance`` tell that nothing else is broken.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from adapter_workbench.experiments.terminal.registries import EXTENDABLE
from tests.modules import name_of

ROOT = Path(__file__).parents[1]
DOCUMENTS = {"recipes": "RECIPES", "catalog": "CATALOG", "backbones": "BACKBONES"}  # folder of YAML files → registry
NEVER_TAKEN = ("__init__", "conftest")


@dataclass
class Needed:
    """Files of tests that are run whole, and entries whose cases are run, wherever there are some."""

    whole: set[Path] = field(default_factory=set)
    over: dict[str, set[Path]] = field(default_factory=dict)  # entry → files that have cases over its registry

    @property
    def files(self) -> list[str]:
        """All of them, sorted."""
        return sorted(str(path.relative_to(ROOT)) for path in self.whole.union(*self.over.values()))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the tests that are needed."""
        needed = [item for item in items if self.needs(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in needed])
        items[:] = needed

    def needs(self, item: pytest.Item) -> bool:
        """Tell whether a test is needed: one of a whole file that does not wait, or a case of an entry."""
        if item.path in self.whole and not item.get_closest_marker("acceptance"):
            return True
        given = getattr(item, "callspec", None)
        values = {part for value in given.params.values() for part in str(value).split("+")} if given else set()
        return any(entry in values and item.path in files for entry, files in self.over.items())


def needed(changed: Iterable[str]) -> Needed:
    """Return what changed files need, each given by its path from the root."""
    result = Needed()
    for path in map(Path, changed):
        module, package = name_of(path), name_of(path.parent) if path.parent.parts else ""
        if path.parts[0] == "tests":
            result.whole |= {ROOT / path} if path.stem.startswith("test_") else importing(module)
        elif path.suffix == ".py" and package in EXTENDABLE and path.stem[0] != "_":
            name = path.stem.replace("_", "-")
            result.over[name] = {file for file in importing(package) if may_have_cases(file, name)}
            result.whole |= importing(module) | named_after(path.stem)
        elif path.suffix == ".py":
            result.whole |= importing(module.removesuffix(".__init__")) | named_after(path.stem)
        elif path.suffix == ".yaml" and path.parent.name in DOCUMENTS:
            result.whole |= speaking_of(DOCUMENTS[path.parent.name])
        else:
            result.whole |= speaking_of("*.md" if path.suffix == ".md" else path.name)
    result.whole = {file for file in result.whole if file.exists()}
    return result


@cache
def test_files() -> tuple[Path, ...]:
    """Return all files of tests."""
    return tuple(sorted((ROOT / "tests").rglob("test_*.py")))


@cache
def text(file: Path) -> str:
    """Return what stands in a file."""
    return file.read_text(encoding="utf-8")


@cache
def imports(file: Path) -> frozenset[str]:
    """Return the modules that a file imports, anywhere in it; of ``from a import b`` both ``a`` and ``a.b``."""
    names = set()
    for node in ast.walk(ast.parse(text(file))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return frozenset(names)


def importing(module: str) -> set[Path]:
    """Return the files of tests that import a module, or that a helper of theirs imports it for."""
    helpers = [file for file in (ROOT / "tests").rglob("*.py") if not file.stem.startswith(("test_", *NEVER_TAKEN))]
    through = {name_of(helper.relative_to(ROOT)) for helper in helpers if module in imports(helper)}
    return {file for file in test_files() if module in imports(file) or through & imports(file)}


def named_after(stem: str) -> set[Path]:
    """Return the files of tests whose name ends with that of a module."""
    return {file for file in test_files() if re.search(rf"_{re.escape(stem)}$", file.stem)}


def speaking_of(name: str) -> set[Path]:
    """Return the files of tests in which a name stands."""
    return {file for file in test_files() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text(file))}


def may_have_cases(file: Path, entry: str) -> bool:
    """Tell whether a file of tests runs over the entries of a registry, or names this one."""
    content = text(file)
    names_it = f'"{entry}"' in content or re.search(r"names\(\)|_methods\(", content)
    return "parametrize" in content and bool(names_it)


def changed_since(commit: str) -> list[str]:
    """Return the files that differ from what this branch and ``commit`` had last in common, new ones too."""
    base = _git("merge-base", commit, "HEAD")
    return sorted({*_git("diff", "--name-only", base[0]), *_git("ls-files", "--others", "--exclude-standard")})


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def main() -> int:
    """Run what is needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.changed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--since", default="main", help="the commit that changes are counted from (main)")
    parser.add_argument("--list", action="store_true", help="name the tests, and run none")
    arguments = parser.parse_args()
    try:
        selection = needed(changed_since(arguments.since))
    except subprocess.CalledProcessError as error:
        parser.error(f"--since {arguments.since}: {error.stderr.strip()}")
    if not selection.files:
        print("Nothing that tests import has changed.")
        return 0
    options = ["--collect-only"] if arguments.list else ["--durations", "5"]
    code = pytest.main(["-m", "", *options, *selection.files], plugins=[selection])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


if __name__ == "__main__":
    sys.exit(main())
