"""Text files as streams of lines: plain or packed, in any encoding, and never a device or a pipe."""

from __future__ import annotations

import bz2
import gzip
import io
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, cast

from adapter_workbench.workbench.errors import DataError, InputError, no_such_file, opening

LONGEST_LINE = 1 << 26  # characters
BUFFER = 1 << 16  # bytes
MOST_BYTES = 1 << 31  # of a packed file, unpacked: a few kilobytes can claim any size
UNPACKED: Mapping[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}


def path_of(text: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home folder.

    Raises:
        InputError: ``~name`` for a person that this machine does not know.
    """
    with opening("this path", str(text)):
        return Path(text).expanduser()


def exists(path: Path) -> bool:
    """Return whether something is at ``path``.

    Raises:
        InputError: that cannot be told: a name that is too long or holds NUL, a folder that may not be read.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be opened: {getattr(error, 'strerror', error)}", where=str(path)) from None
    return True


def require_readable(path: Path, *, folder: bool = False) -> None:
    """Raise InputError unless ``path`` is a file (or, where ``folder`` says so, a folder); a device would never end."""
    if not exists(path):
        raise no_such_file(path)
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) or (folder and stat.S_ISDIR(mode)):
        return
    message = "this is a folder" if stat.S_ISDIR(mode) else "this is a device or a pipe, not a file"
    raise InputError(message, where=str(path), hint="Save the data in a file, and give its name.")


def is_packed(path: Path) -> bool:
    """Return whether the name ends in ``.gz`` or ``.bz2``."""
    return path.suffix.lower() in UNPACKED


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case, without that of gzip or bzip2."""
    inner = path.with_suffix("") if is_packed(path) else path
    return inner.suffix.lower()


@contextmanager
def opened_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked where its name ends in ``.gz`` or ``.bz2``.

    Raises:
        InputError: as :func:`require_readable`.
        DataError: it cannot be read, or unpacks to more than 2 GB, then or inside the block.
    """
    require_readable(path)
    unpacked = UNPACKED.get(path.suffix.lower())
    try:
        with cast("IO[bytes]", unpacked(path)) if unpacked else path.open("rb") as stream:
            yield io.BufferedReader(_Bounded(stream, path), BUFFER) if unpacked else stream
    except (OSError, EOFError, zlib.error) as error:  # the last two are those of a packed file that was cut or changed
        raise DataError(f"cannot be read: {error}", where=str(path)) from None


@contextmanager
def opened_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file as text, line breaks as they are.

    Raises:
        InputError: no such file.
        DataError: what is read inside the block is not text in this encoding, or not whole.
    """
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
    try:
        with opened_bytes(path) as stream, io.TextIOWrapper(stream, codec, newline="") as text:
            yield text
    except UnicodeError as error:
        hint = "Set its encoding (encoding: latin-1, for example), or save the file as UTF-8."
        raise DataError(f"not text in {encoding}: {error}", where=str(path), hint=hint) from None


class _Bounded(io.RawIOBase):
    """An unpacked file that ends in an error where it has more bytes than MOST_BYTES."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path, self._left = stream, path, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._stream.read(len(buffer))
        self._left -= len(part)
        if self._left < 0:
            hint = "If it is what you mean, unpack it, and give the unpacked file."
            raise DataError(f"it unpacks to more than {MOST_BYTES / 1e9:.3g} GB", where=str(self._path), hint=hint)
        buffer[: len(part)] = part
        return len(part)


class Lines:
    """The lines of a text file, counted while they are read.

    Attributes:
        file: the file, as messages call it.
        number: of the last line, from 1.
        filled: how many lines are not blank.
    """

    def __init__(self, text: TextIO, file: str) -> None:
        """Start before the first line."""
        self._read, self.file = partial(text.readline, LONGEST_LINE), file
        self.number = self.filled = 0
        self._row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its line break.

        Raises:
            DataError: a line of 64 million characters, or one with a NUL character: the file is no text.
        """
        while line := self._read():
            self.number += 1
            if len(line) == LONGEST_LINE:
                raise DataError("a line is longer than 64 million characters", where=self.where)
            if "\0" in line:
                hint = "It is not plain text, or has another encoding (utf-16, for example); set it with `encoding`."
                raise DataError("a NUL character", where=self.where, hint=hint)
            self.filled += not line.isspace()
            self._row.append(line)
            yield line

    @property
    def where(self) -> str:
        """The file and the number of the last line."""
        return f"{self.file}, line {self.number}"

    def row_ends(self) -> list[str]:
        """Return the lines since this was last asked for: those of the row that ends here."""
        row, self._row = self._row, []
        return row
