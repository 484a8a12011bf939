"""What the last full run measured: which tests are dear, and which ones a change can reach."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from tests.modules import ROOT, name_of
from tests.tiers.recording import MEASURED, bodies, lines_in, unpacked, versions

DEAR = 0.5  # seconds
CORE = ("pyproject.toml", "tests/conftest.py", "tests/tiers/")  # a change of these reaches everything
HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """A full run: its commit, the seconds of what took long, and the files that tests, or what they share, reached."""

    commit: str = ""
    environments: list[dict[str, str]] = field(default_factory=list)  # package → version, in each that it ran in
    seconds: dict[str, float] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    reach: dict[str, list[str]] = field(default_factory=dict)  # packed places in ``files`` → what reached just these

    @classmethod
    def read(cls, path: Path = MEASURED) -> Measured:
        """Return what a file holds; nothing is dear, and nothing is known, where there is none."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()

    def dear(self, test: str) -> bool:
        """Tell whether a test takes long. A new one does not, until it was measured."""
        return self.seconds.get(test, 0) >= DEAR

    def newer(self, installed: dict[str, str]) -> str:
        """Return what differs from the environment of the full run that is most like one; nothing where it is one."""
        differing = [
            [f"{name} {then.get(name)} → {version}" for name, version in installed.items() if then.get(name) != version]
            for then in self.environments
        ]
        return ", ".join(min(differing, key=len, default=[]))

    @cached_property
    def reached(self) -> dict[str, set[str]]:
        """What reached each file."""
        found: dict[str, set[str]] = {path: set() for path in self.files}
        for places, contexts in self.reach.items():
            for place in unpacked(places):
                found[self.files[place]].update(contexts)
        return found


@dataclass(frozen=True)
class Change:
    """Files that changed since a commit, and what that can reach."""

    contexts: set[str]
    core: str = ""  # why everything is reached, if it is

    def reaches(self, test: str) -> bool:
        """Tell whether what a test runs, or shares with others, has changed."""
        return bool(self.core) or not self.contexts.isdisjoint({test, test.partition("::")[0], "session"})


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
    contexts: set[str] = set()
    for path in changed:
        contexts |= reaching(measured, path, since)
    return Change(contexts)


def reaching(measured: Measured, path: str, since: str) -> set[str]:
    """Return what a changed file can reach: a file of tests all of its own, any other what ran or read it.

    What stands outside functions runs at import, once a process. A change there, and a module that is new or has no
    function, also reaches whatever runs a module that imports it.
    """
    if Path(path).name.startswith("test_"):
        return {path, *(test for test in measured.seconds if test.startswith(f"{path}::"))}
    found = set(measured.reached.get(path, ()))
    waiting, seen = [path] if path.endswith(".py") and at_import(path, since) else [], {path}
    while waiting:
        for importer in importers(name_of(Path(waiting.pop())).removesuffix(".__init__")) - seen:
            seen.add(importer)
            if importer.startswith("tests/") and Path(importer).name.startswith("test_"):
                found |= {importer, *(test for test in measured.seconds if test.startswith(f"{importer}::"))}
            elif measured.reached.get(importer):
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
            by_file[test.partition("::")[0]] = by_file.get(test.partition("::")[0], 0) + seconds
    return by_file


def order(measured: Measured, files: Iterable[str]) -> dict[str, int]:
    """Return the place of each file of tests: what takes longest comes first, the others as they lie on disk."""
    total: dict[str, float] = {}
    for test, seconds in measured.seconds.items():
        total[test.partition("::")[0]] = total.get(test.partition("::")[0], 0) + seconds
    ordered = sorted(set(files), key=lambda path: (-round(total.get(path, 0), -1), path))
    return {path: place for place, path in enumerate(ordered)}
