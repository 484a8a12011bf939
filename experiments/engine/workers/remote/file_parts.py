"""Files that are sent to another machine: cut into parts that fit a message, with the digest at the end of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import WorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MESSAGE = 1 << 24  # bytes of files in one message
NOWHERE = "", ".", ".."


@dataclass(frozen=True)
class Part:
    """Some bytes of a file."""

    name: str  # path from the root, with ``/``; an empty folder's ends with one
    offset: int  # where the bytes stand
    content: bytes  # the bytes
    sha256: str = ""  # of the whole file, where these are its last bytes; else empty


def inside(root: Path, name: str) -> Path:
    """Return where the file that another machine calls ``name`` is below ``root``.

    Raises:
        WorkError: the name leads out of ``root``, is hidden, or goes through a link.
    """
    components = name.removesuffix("/").split("/")
    plain = all(
        component not in NOWHERE and not component.startswith(".") and "\\" not in component for component in components
    )
    path = root.joinpath(*components) if plain and name.isprintable() else root
    if path == root or PurePosixPath(name).is_absolute():
        raise WorkError(f"refused: another machine sent the file name {name!r}, which is not allowed", where=str(root))
    if path.is_symlink() or path.parent.resolve() != root.resolve().joinpath(*components[:-1]):
        raise WorkError(f"refused: a symbolic link stands where another machine writes {name!r}", where=str(root))
    return path


def names(root: Path, below: str = "") -> list[str]:
    """Return the names of all plain files and empty folders at or below one; hidden ones and links are left out."""
    start = inside(root, below) if below else root
    if start.is_file() and not start.is_symlink():
        return [below]
    return [*_names(root, start)]


def parts(files: Iterable[tuple[str, Path]]) -> Iterator[list[Part]]:
    """Yield messages: as many parts of files as fit into each. ``files`` are their names and paths.

    Raises:
        FileNotFoundError: a file was deleted meanwhile.
    """
    message, size = list[Part](), 0
    for name, path in files:
        for part in _parts(path, name):
            if size + len(part.content) > MESSAGE and message:
                yield message
                message, size = [], 0
            message.append(part)
            size += len(part.content)
    if message:
        yield message


def _names(root: Path, folder: Path) -> Iterator[str]:
    if not folder.is_dir() or folder.is_symlink():
        return
    entries = sorted(folder.iterdir())
    if not entries and folder != root:
        yield f"{folder.relative_to(root).as_posix()}/"
    for path in entries:
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _names(root, path)
        elif path.is_file():
            yield path.relative_to(root).as_posix()


def _parts(path: Path, name: str) -> Iterator[Part]:
    if name.endswith("/"):
        yield Part(name, 0, b"")
        return
    total, offset = hashlib.sha256(), 0
    with path.open("rb") as stream:
        content = stream.read(MESSAGE)
        while True:
            after = stream.read(MESSAGE) if len(content) == MESSAGE else b""
            total.update(content)
            yield Part(name, offset, content, "" if after else total.hexdigest())
            if not after:
                return
            offset, content = offset + len(content), after
