"""Names of files that are not UTF-8: Python keeps their bytes as surrogates, which few libraries take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

LIBRARIES = "the libraries that read and write models take no such name"
OTHER = "Rename it, or use another folder."


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
