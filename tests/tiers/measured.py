"""What the last full run measured: which tests are dear, and which ones a change can reach."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from tests.modules import ROOT, name_of
from tests.tiers.recording import MEASURED, bodies, file_of, lines_in, packed, unpacked, versions

CORE = ("pyproject.toml", "tests/conftest.py", "tests/tiers/")  # a change of these reaches everything
SPARED = 2.0  # seconds that a dear test may take to stand for its file
HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """A full run: its commit, the seconds of the dear tests, and the files that each of them reached."""

    commit: str = ""
    environments: list[dict[str, str]] = field(default_factory=list)  # package → version, in each that it ran in
    seconds: dict[str, float] = field(default_factory=dict)
    reach: str = packed({})  # test → files

    @classmethod
    def read(cls, path: Path = MEASURED) -> Measured:
        """Return what a file holds; nothing is dear, and nothing is known, where there is none."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()

    def spared(self, tests: Iterable[str]) -> set[str]:
        """Return the test that took least of each file in which all are dear: the cheap ones hold something of it."""
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in tests:
            by_file[file_of(test)].append(test)
        least = set()
        for group in by_file.values():
            if all(test in self.seconds for test in group):
                least.add(min(group, key=lambda test: self.seconds[test]))
        return {test for test in least if self.seconds[test] <= SPARED}

    def newer(self, installed: dict[str, str]) -> str:
        """Return what differs from the environment of the full run that is most like one; nothing where it is one."""
        differing = [
            [f"{name} {then.get(name)} → {version}" for name, version in installed.items() if then.get(name) != version]
            for then in self.environments
        ]
        nearest: list[str] = min(differing, key=len, default=[])
        return ", ".join(nearest)

    @cached_property
    def reached(self) -> dict[str, set[str]]:
        """File → the tests that reached it."""
        found: dict[str, set[str]] = defaultdict(set)
        for test, paths in unpacked(self.reach).items():
            for path in paths:
                found[path].add(test)
        return found

    def of(self, file: str) -> set[str]:
        """Return the dear tests of a file."""
        return {test for test in self.seconds if file_of(test) == file}


@dataclass(frozen=True)
class Change:
    """Files that changed since a commit, and what that can reach."""

    tests: set[str]
    core: str = ""  # why everything is reached, if it is

    def reaches(self, test: str) -> bool:
        """Tell whether what a dear test runs has changed."""
        return bool(self.core) or test in self.tests


def change(measured: Measured, since: str) -> Change:
    """Return what differs between a commit and the files as they lie here, and what it reaches."""
    try:
        changed = _git("diff", "--name-only", "--no-renames", since)
    except subprocess.CalledProcessError:
        return Change(set(), core=f"commit {since or 'of the last full run'} is not known here")
    changed += _git("ls-files", "--others", "--exclude-standard")
    changed = [path for path in changed if ROOT / path != MEASURED]
    core = [path for path in changed if path.startswith(CORE)]
    if core:
        return Change(set(), core=f"{core[0]} changed")
    if other := measured.newer(versions()):
        return Change(set(), core=f"other versions than in the full run: {other}")
    return Change(set().union(*(reaching(measured, path, since) for path in changed)))


def reaching(measured: Measured, path: str, since: str) -> set[str]:
    """Return what a changed file can reach: a file of tests all of its own, any other what ran or read it.

    What stands outside functions runs at import, once a process. A change there, and a module that is new or has no
    function, also reaches whatever runs a module that imports it.
    """
    if Path(path).name.startswith("test_"):
        return measured.of(path)
    found = set(measured.reached.get(path, ()))
    waiting, seen = [path] if path.endswith(".py") and at_import(path, since) else [], {path}
    while waiting:
        for importer in importers(name_of(Path(waiting.pop())).removesuffix(".__init__")) - seen:
            seen.add(importer)
            if importer.startswith("tests/") and Path(importer).name.startswith("test_"):
                found |= measured.of(importer)
            elif importer in measured.reached:
                found |= measured.reached[importer]
            else:
                waiting.append(importer)
    return found


def at_import(path: str, since: str) -> bool:
    """Tell whether a program differs from what it was in lines outside functions."""
    if not (ROOT / path).exists():
        return False
    new = not _git("ls-tree", since, path)
    hunks = HUNK.findall("\n".join(_git("diff", "--unified=0", since, "--", path)))
    changed = {int(first) + offset for first, count in hunks for offset in range(max(1, int(count or 1)))}
    return new or bool(changed - lines_in(bodies(ROOT / path)))


@cache
def importers(module: str) -> frozenset[str]:
    """Return the files that import a module, anywhere in them."""
    return frozenset(path for path in _programs() if module in _imports(path))


@cache
def _programs() -> tuple[str, ...]:
    return tuple(path for path in _git("ls-files", "*.py") if (ROOT / path).is_file())


@cache
def _imports(path: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return frozenset(names)


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def left_out(measured: Measured, change: Change) -> dict[str, float]:
    """Return the seconds of what a change does not reach, by files of tests."""
    by_file: dict[str, float] = {}
    for test, seconds in measured.seconds.items():
        if not change.reaches(test):
            by_file[file_of(test)] = by_file.get(file_of(test), 0) + seconds
    return by_file


def order(measured: Measured, files: Iterable[str]) -> dict[str, int]:
    """Return the place of each file of tests: what takes longest comes first, the others as they lie on disk."""
    total: dict[str, float] = {}
    for test, seconds in measured.seconds.items():
        total[file_of(test)] = total.get(file_of(test), 0) + seconds
    ordered = sorted(set(files), key=lambda path: (-round(total.get(path, 0), -1), path))
    return {path: place for place, path in enumerate(ordered)}
