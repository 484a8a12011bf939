"""Pages that show a session: their commands run again, one after the other, and their output is compared.

A page's ```` ```text ```` blocks hold commands (``$ workbench …``), each followed by what it printed. A program in a
```` ```python ```` block is a file whose name the paragraph above it gives. Numbers and ids differ between machines;
every other word has to come again. ``…`` stands for lines, or for the rest of a line, that the page leaves out.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import environment
from tests.patience import PATIENCE

ID = r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])"
NUMBER = r"\d[\d.,]*"
LEFT_OUT = "…"
READY = "http://"  # what a server prints when it answers


@dataclass(frozen=True)
class Program:
    """A file of the page."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of the page, and the lines that it printed there."""

    line: str
    printed: tuple[str, ...]


def read(page: str) -> Iterator[Program | Command]:
    """Yield the programs and commands of a page, in order."""
    for block in re.finditer(r"^```(\w+)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        language, text = block.groups()
        if language == "python":
            yield Program(re.findall(r"`(\w+\.py)`", page[: block.start()])[-1], text)
        elif language == "text":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, *printed = part.rstrip().splitlines()
                yield Command(line, tuple(printed))


@dataclass
class Session:
    """The commands of a page in a folder.

    Attributes:
        folder: where they run.
        environment: of their processes.
        ids: id on the page → id here.
    """

    folder: Path
    environment: Mapping[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    _servers: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def serving(self) -> Iterator[Session]:
        """Yield the session; servers that it started end with the block."""
        with self._servers:
            yield self

    def play(self, part: Program | Command) -> list[str]:
        """Write a program, or run a command; return what was printed, the errors beside the rest.

        Raises:
            AssertionError: a line of the page did not come again.
        """
        if isinstance(part, Program):
            (self.folder / part.name).write_text(part.text, encoding="utf-8")
            return []
        line = re.sub(ID, lambda match: self.ids.get(match[0], match[0]), part.line)
        printed = self._started(line.removesuffix("&")) if line.endswith("&") else self._run(line)
        self._compare(part, printed)
        return printed

    def _run(self, line: str) -> list[str]:
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        where = {"cwd": self.folder, "env": self.environment, "text": True, "check": False}
        return subprocess.run(["bash", "-c", line], **both, **where).stdout.splitlines()

    def _started(self, line: str) -> list[str]:
        """Start a server and return what it printed until it answered."""
        log = self.folder / "server.log"
        with log.open("w", encoding="utf-8") as out:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.environment, stdout=out, stderr=out
            )
        self._servers.callback(server.wait)
        self._servers.callback(server.terminate)
        began = time.monotonic()
        while READY not in log.read_text(encoding="utf-8"):
            assert server.poll() is None and time.monotonic() - began < PATIENCE, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        return log.read_text(encoding="utf-8").splitlines()

    def _compare(self, part: Command, printed: list[str]) -> None:
        rest = iter(printed)
        for line in part.printed:
            if line.strip() in ("", LEFT_OUT):
                continue
            fitting = next((match for match in map(pattern(line).fullmatch, map(str.strip, rest)) if match), None)
            assert fitting, f"$ {part.line}\nthe page has: {line}\nhere:\n" + "\n".join(printed)
            self.ids |= dict(zip(re.findall(ID, line), fitting.groups(), strict=True))


def session(folder: Path) -> Session:
    """Return a session in a folder, with none of the workbench's variables of whoever runs it."""
    own = {name: value for name, value in environment().items() if not name.startswith("WORKBENCH_")}
    return Session(folder, {**own, "COLUMNS": "100"})


def pattern(line: str) -> re.Pattern[str]:
    """Return what a line of a page matches: any number for a number, any id for an id, which is a group."""
    pieces = re.split(rf"({ID}|{NUMBER}|{LEFT_OUT}|\s+)", line.strip())
    return re.compile("".join(map(_piece, pieces)))


def _piece(text: str) -> str:
    if re.fullmatch(ID, text):
        return f"({ID})"
    if re.fullmatch(NUMBER, text):
        return NUMBER
    if text == LEFT_OUT:
        return ".*"
    return r"\s+" if text and text.isspace() else re.escape(text)
