"""What a full run measures, for the tiers of the next: how long each test takes, and which files it reaches.

``pytest --record FOLDER`` writes parts into a folder, one set a process; ``python -m tests.tiers.recording FOLDER…``
makes ``tests/tiers/measured.json`` of them; `make release` does both. A test reaches a file

- of Python where a line inside a function of it ran, in this process or in one that the test started (coverage.py);
- of any other kind where it was opened.

What a fixture runs that several tests share counts for each of those that take it.
"""

from __future__ import annotations

import ast
import base64
import json
import lzma
import os
import re
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from coverage.numbits import numbits_any_intersection, numbits_to_nums, nums_to_numbits

from tests.modules import FOLDERS, ROOT

PROJECT = "adapter-workbench"
MEASURED = Path(__file__).parent / "measured.json"
DEAR = 0.5  # seconds, of a test and what it sets up: no more is kept of those that take less
CONTEXT = "REACHING"  # the environment's variable by which a process learns which test started it
SETTINGS = f"""[run]
source = {{sources}}
data_file = {{folder}}/processes
parallel = true
context = ${{{{{CONTEXT}-}}}}
sigterm = true
"""


class Recorder:
    """A plugin that notes, test by test, the seconds it takes, the lines that it runs and the files that it opens."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.process = folder, process
        self.seconds: dict[str, float] = defaultdict(float)
        self.opened: dict[str, set[str]] = defaultdict(set)
        self.fixtures: dict[str, list[str]] = {}  # test → what it takes, and what that takes
        self.context = ""
        sources = [str(ROOT / name) for name in (*FOLDERS, "bench", "tests")]
        settings = folder / "coverage.ini"
        settings.write_text(SETTINGS.format(sources="\n    ".join(["", *sources]), folder=folder), encoding="utf-8")
        os.environ["COVERAGE_PROCESS_START"] = str(settings)
        self.coverage = Coverage(data_file=folder / f"lines-{process}", source=sources, config_file=False)
        self.coverage.start()
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep the name of an opened file."""
        name = arguments[0] if event == "open" and self.context else None
        if isinstance(name, str) and (name.startswith(str(ROOT)) or name[:1] != os.sep):
            self.opened[self.context].add(name)

    def enter(self, context: str) -> str:
        """Have all that follows count for a test, or for what several share; return what it counted for before."""
        before, self.context = self.context, context
        self.coverage.switch_context(context)
        os.environ[CONTEXT] = context
        return before

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Have what a test runs count for it."""
        self.enter(item.nodeid)
        self.fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))
        done = yield
        self.enter("")
        return done

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Have what a shared fixture runs count for all tests that take it, in its file or anywhere."""
        if fixturedef.scope == "function":
            return (yield)
        file = "" if fixturedef.scope == "session" else request.node.nodeid.partition("::")[0]
        before = self.enter(shared(file, fixturedef.argname))
        try:
            return (yield)
        finally:
            self.enter(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds of setup, call and teardown."""
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write everything down."""
        self.coverage.stop()
        self.coverage.save()
        opened = {context: sorted(names) for context, names in self.opened.items()}
        kept = {"seconds": self.seconds, "fixtures": self.fixtures, "opened": opened}
        (self.folder / f"noted-{self.process}.json").write_text(json.dumps(kept), encoding="utf-8")


def shared(file: str, fixture: str) -> str:
    """Return what lines are noted under that a shared fixture runs; ``file`` is empty for one of the session."""
    return f"{file}#{fixture}"


@cache  # a part each process: the same programs are asked for some four hundred times
def bodies(path: Path) -> bytes:
    """Return the lines of a program that stand inside functions, as coverage.py's bits; of a template all lines."""
    if path.suffix != ".py":
        return b"\xff" * 8192
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, functions)]
    lines = {line for node in nodes for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}
    return bytes(nums_to_numbits(lines))


def lines_in(bits: bytes) -> set[int]:
    """Return the numbers of lines that coverage.py's bits stand for."""
    return set(numbits_to_nums(bits))


def ran(data: Path) -> Iterator[tuple[str, str]]:
    """Yield context and file, by its path from the root, of each function's line that ran, from coverage.py's data."""
    with sqlite3.connect(data) as base:
        files = dict(base.execute("select id, path from file"))
        within = {number: bodies(Path(path)) for number, path in files.items() if Path(path).exists()}
        query = "select context, file_id, numbits from line_bits join context on context.id = context_id"
        for context, number, lines in base.execute(query):
            if context and number in within and numbits_any_intersection(within[number], lines):
                yield context, os.path.relpath(files[number], ROOT)


def gather(*folders: Path) -> dict[str, Any]:
    """Return what the parts in some folders say together."""
    tracked = set(_git("ls-files"))
    seconds: dict[str, float] = {}
    fixtures: dict[str, list[str]] = {}
    reach: dict[str, set[str]] = defaultdict(set)
    for part in (path for folder in folders for path in folder.glob("noted-*.json")):
        noted = json.loads(part.read_text(encoding="utf-8"))
        seconds |= noted["seconds"]
        fixtures |= noted["fixtures"]
        for context, names in noted["opened"].items():
            paths = (os.path.relpath(os.path.realpath(name), ROOT) for name in names)
            reach[context] |= {path for path in paths if path in tracked and not path.endswith(".py")}
    for part in (path for folder in folders for kind in ("lines-*", "processes*") for path in folder.glob(kind)):
        for context, path in ran(part):
            if path in tracked:
                reach[context].add(path)
    dear = {test: taken for test, taken in sorted(seconds.items()) if taken >= DEAR}
    of_tests = {
        test: reach[test].union(*(reach[shared(at, name)] for name in fixtures[test] for at in ("", file_of(test))))
        for test in dear
    }
    return {
        "commit": _git("rev-parse", "HEAD")[0],
        "environments": [versions()],
        "seconds": {test: round(taken, 1) for test, taken in dear.items()},
        "reach": packed(of_tests),
    }


def file_of(test: str) -> str:
    """Return the file of a test."""
    return test.partition("::")[0]


def versions() -> dict[str, str]:
    """Return the version, to its second part, of every package that this project works with and that is installed."""
    found = {}
    for line in requires(PROJECT) or ():
        if re.search(r"extra == .(dev|docs)", line):
            continue
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        with suppress(PackageNotFoundError):
            found[name] = ".".join(version(name).split(".")[:2])
    return dict(sorted(found.items()))


def packed(reach: Mapping[str, set[str]]) -> str:
    """Return which files each test reached, as compressed text."""
    files = sorted(set().union(*reach.values()))
    place = {path: index for index, path in enumerate(files)}
    tests = {test: sorted(place[path] for path in paths) for test, paths in reach.items()}
    text = json.dumps({"files": files, "tests": tests}, separators=(",", ":"))
    return base64.b85encode(lzma.compress(text.encode())).decode()


def unpacked(text: str) -> dict[str, set[str]]:
    """Return what :func:`packed` wrote."""
    kept = json.loads(lzma.decompress(base64.b85decode(text)))
    return {test: {kept["files"][place] for place in places} for test, places in kept["tests"].items()}


def _git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def main() -> None:
    """Write what the parts in some folders say; without a folder add this environment to those of the full run."""
    folders = [*map(Path, sys.argv[1:])]
    if folders:
        together = gather(*folders)
    else:
        together = json.loads(MEASURED.read_text(encoding="utf-8"))
        together["environments"].append(versions())
    MEASURED.write_text(json.dumps(together, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
