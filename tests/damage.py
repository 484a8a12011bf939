"""Ways to damage a stored file, and one file of each kind that a workspace holds."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

HEXADECIMAL = re.compile(r"[0-9a-f]{8,64}")
VIEWS = re.compile(r"(report\.(json|html)|.*\.png|\.lock)")  # written anew by each run, read by nothing
MLFLOW = ("mlflow.db", "mlartifacts", "claims", "system", "tasks")


def truncate(path: Path) -> None:
    """Keep the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change one digit of a JSON document, so that it stays JSON; in any other file, flip one bit in the middle."""
    content = bytearray(path.read_bytes())
    digit = re.search(rb": -?\d", content)
    position = digit.end() - 1 if digit and path.suffix == ".json" else len(content) // 2
    content[position] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    """Keep the name."""
    path.write_bytes(b"")


def fill(path: Path) -> None:
    """Write something else of about the same size."""
    path.write_bytes(b"\xff garbage \x00" * (path.stat().st_size // 11 + 1))


def pipe(path: Path) -> None:
    """Put a pipe in the place of the file, into which nobody writes."""
    path.unlink()
    os.mkfifo(path)


def swap(first: Path, other: Path) -> None:
    """Let two files or folders change places."""
    aside = first.with_name(f"{first.name}-aside")
    for path, target in ((first, aside), (other, first), (aside, other)):
        shutil.move(path, target)


class TooLate(BaseException):
    """Nobody takes it for a fault of what is read."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise :class:`TooLate` where the block takes longer, also while it waits for a pipe."""

    def late(*_: Any) -> None:
        raise TooLate(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


WAYS: dict[str, Callable[[Path], None]] = {
    "truncate": truncate,
    "flip": flip,
    "empty": empty,
    "fill": fill,
    "remove": Path.unlink,
}


def way_of(file: str) -> str:
    """Return the way in which a file of this kind is damaged on each change: the kinds share the ways between them."""
    return [*WAYS][crc32(HEXADECIMAL.sub("*", file).encode()) % len(WAYS)]


def kinds(root: Path) -> Iterator[str]:
    """Yield the path below ``root`` of one file of each kind."""
    by_kind: dict[str, str] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if not VIEWS.fullmatch(path.name) and name.partition("/")[0] not in MLFLOW:
            by_kind.setdefault(HEXADECIMAL.sub("*", name), name)
    yield from by_kind.values()
