"""Opening a file of which nobody knows that it is one: a pipe, a socket or a device in its place is refused at once.

So are names that are not UTF-8: Python keeps their bytes as surrogates, which few libraries take.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedReader
    from pathlib import Path

AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # to open a pipe waits for somebody who writes into it; Windows has none
LIBRARIES = "the libraries that read and write models take no such name"
OTHER = "Rename it, or use another folder."


def open_ordinary(path: Path) -> BufferedReader:
    """Return an open ordinary file; its bytes are read from it.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a socket or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | AT_ONCE)
    try:
        _require_ordinary(descriptor, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def append_text(path: Path, text: str) -> None:
    """Write ``text`` at the end of an ordinary file, which is made if needed; raises as :func:`open_ordinary`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | AT_ONCE, 0o666)
    with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
        _require_ordinary(stream.fileno(), path)
        stream.write(text)


def foreign_links(folder: Path, patterns: Iterable[str] = ("*",)) -> list[Path]:
    """Return the links in a folder that lead out of it; those of a snapshot in the hub's cache lead to its own files.

    Args:
        folder: in which they are looked for.
        patterns: of the paths that are looked at.
    """
    whole = folder.resolve()
    kept = whole.parents[1] / "blobs" if whole.parent.name == "snapshots" else None
    links = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_symlink()]
    return [path for path in links if kept is None or _target(path).parent != kept]


def _target(link: Path) -> Path:
    try:
        return link.resolve()
    except (OSError, RuntimeError):  # links that lead to each other
        return link


def contents(path: Path) -> bytes:
    """Return the bytes of an ordinary file; raises as :func:`open_ordinary`."""
    with open_ordinary(path) as stream:
        return stream.read()


def readable(name: str) -> str:
    r"""Return a file's name with bytes that are not UTF-8 as ``\xe9``."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def require_utf_8(path: Path, name: str, why: str, hint: str = "Rename it.") -> None:
    """Raise InputError unless the part ``name`` of a path is UTF-8; ``why`` is the reason for the message."""
    if (shown := readable(name)) != name:
        raise InputError(f"{shown} is not UTF-8, and {why}", where=readable(str(path)), hint=hint)


def require_utf_8_path(path: Path) -> None:
    """Raise InputError unless the names of a folder for libraries, and of all folders above it, are UTF-8."""
    for name in path.absolute().parts:
        require_utf_8(path, name, LIBRARIES, OTHER)


def _require_ordinary(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(f"{path.name} is a folder, a pipe or a device, not a file")
