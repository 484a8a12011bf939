"""Typed documents and whole folders on disk that carry their own digests, so that damage is noticed and named.

A document is a JSON file with the SHA-256 of its content under ``sha256``; a sealed folder has a ``digests.json`` with
the SHA-256 of each of its files. What is kept under a key says under which (``stored_under``), so that two results that
changed places are noticed. A document or folder from before there were digests, or keys in it, is read without a check.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.digest import below, digest, key
from adapter_workbench.workbench.files.ordinary import contents

if TYPE_CHECKING:
    import os
    from collections.abc import Collection
    from pathlib import Path

DIGEST, DIGESTS = "sha256", "digests.json"
UNDER = "stored_under"  # beside the digest: the key under which a document was written
SETTLED = 2.0  # seconds: a file that changed more recently may change again and keep its time of change
CONTENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
FILES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])

T = TypeVar("T")
Stamp: TypeAlias = tuple[tuple[str, int, int, int, int], ...]


def write(kind: TypeAdapter[T], value: T, path: Path, under: str | None = None) -> None:
    """Write a document, whole or not at all, in the place of what was there.

    ``under`` is the key that it is found by, and is given again when it is read.

    Raises:
        UnwritableError: nothing can be written there.
    """
    atomic.write_whole(path, text_of(kind, value, under))


def text_of(kind: TypeAdapter[T], value: T, under: str | None = None) -> str:
    """Return the text of a document for a folder that is written atomically; arguments as for :func:`write`."""
    content = kind.dump_python(value, mode="json", by_alias=True) | ({} if under is None else {UNDER: under})
    return json.dumps({**content, DIGEST: key(content)}, indent=1)


def read(kind: TypeAdapter[T], path: Path, under: str | None = None) -> T | None:
    """Return what is in a document; None where there is none.

    Raises:
        IntegrityError: the file is not what :func:`write` wrote, or was written ``under`` another key.
        PermissionError: it may not be read.
    """
    try:
        content = json.loads(contents(path))
        promised, sha256, written_under = _taken_out(content)
        value = kind.validate_json(json.dumps(content))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise  # nothing is known to be damaged
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"damaged: not readable ({_first_line(error)})", where=str(path)) from None
    if promised is not None and promised != sha256:
        raise IntegrityError("damaged: the content has changed since it was written", where=str(path))
    if under is not None and written_under not in (None, under):
        raise IntegrityError(f"damaged: it was written for another key ({written_under})", where=str(path))
    return value


def _taken_out(content: Any) -> tuple[Any, str, Any]:
    """Take digest and key out of a document's content; return the digest in it, that of the rest, and the key."""
    if not isinstance(content, dict):
        return None, "", None
    promised = content.pop(DIGEST, None)
    sha256 = key(content)
    return promised, sha256, content.pop(UNDER, None)


def require(kind: TypeAdapter[T], path: Path, under: str | None = None) -> T:
    """Return what is in a document.

    Raises:
        IntegrityError: there is none, or the file is not what :func:`write` wrote ``under`` this key.
        PermissionError: it may not be read.
    """
    value = read(kind, path, under)
    if value is None:
        raise IntegrityError("damaged: the file is missing", where=str(path))
    return value


def stamp(folder: Path) -> Stamp | None:
    """Return what changes when a file of a folder is added, removed or written to: names, sizes, times, inodes.

    None where a file cannot be looked at or has just changed: it may change once more within the grain of the times.
    """
    try:
        stats = {entry.path[len(str(folder)) + 1 :]: entry.stat() for entry in below(folder)}
    except OSError:
        return None
    return _settled_stamp(stats)


def stamp_of(folder: Path, names: Collection[str]) -> Stamp | None:
    """Return the stamp of some files of a folder; other files do not count."""
    try:
        stats = {name: (folder / name).stat() for name in names}
    except OSError:
        return None
    return _settled_stamp(stats)


def _settled_stamp(stats: dict[str, os.stat_result]) -> Stamp | None:
    if not stats or max(stat.st_ctime for stat in stats.values()) > time.time() - SETTLED:
        return None
    return tuple(
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for name, stat in sorted(stats.items())
    )


def seal(folder: Path, under: str | None = None) -> None:
    """Write the digests of all files of a folder into it; done before the folder is put in its place.

    ``under`` is the key that the folder is found by, and is given again to :func:`require_sound`.
    """
    (folder / DIGESTS).write_text(text_of(FILES, digests(folder), under), encoding="utf-8")


def digests(folder: Path, holder: str = DIGESTS) -> dict[str, str]:
    """Return the SHA-256 of each file below ``folder`` except ``holder``, which holds them, by its path from there."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: digest(path) for name, path in files.items() if name != holder}


def reseal(folder: Path, source: Path, parts: Collection[str], under: str | None = None) -> None:
    """Write the digests that ``folder`` will have once ``parts`` of it, files or folders, have come from ``source``.

    ``under`` is as for :func:`seal`.
    """
    promised = read(FILES, folder / DIGESTS) or {}
    stays = {name: sha256 for name, sha256 in promised.items() if not _is_in(name, parts)}
    fresh = {name: sha256 for name, sha256 in digests(source).items() if _is_in(name, parts)}
    write(FILES, {**stays, **fresh}, folder / DIGESTS, under)


def require_sound(folder: Path, without: Collection[str] = (), among: str = "", under: str | None = None) -> None:
    """Compare the files of a sealed folder with their digests; files that were added later are ignored.

    Args:
        folder: the folder; where it was never sealed, nothing is compared.
        without: paths in it, of files or folders, that may have been dropped as a whole, while this goes on too.
        among: only files whose path begins so.
        under: the key that the folder is found by.

    Raises:
        IntegrityError: a file is missing or has changed (all of them are named), or the folder is another key's.
        PermissionError: one may not be read.
    """
    dropped = _not_there(folder, without)
    promised = read(FILES, folder / DIGESTS, under) or {}
    expected = {
        name: sha256 for name, sha256 in promised.items() if name.startswith(among) and not _is_in(name, dropped)
    }
    problems = {name: problem for name, sha256 in expected.items() if (problem := problem_of(folder, name, sha256))}
    dropped = _not_there(folder, without) if problems else []  # another process may have dropped a part meanwhile
    damaged = [problem for name, problem in problems.items() if not _is_in(name, dropped)]
    if damaged:
        raise IntegrityError(f"damaged: {'; '.join(damaged)}", where=str(folder))


def _not_there(folder: Path, paths: Collection[str]) -> list[str]:
    return [path for path in paths if not (folder / path).exists()]


def _is_in(name: str, paths: Collection[str]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def problem_of(folder: Path, name: str, sha256: str) -> str | None:
    """Return what is wrong with a file of a folder, in words; None where its digest is ``sha256``."""
    path = folder / name
    if not path.is_file():
        return f"{name} is missing"
    try:
        return None if digest(path) == sha256 else f"{name} has changed"
    except PermissionError:
        raise
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
    return (str(error).splitlines() or [type(error).__name__])[0]


def has_key(path: Path, key: str) -> bool:
    """Return whether the JSON object in a file has this key; False where there is no such object."""
    try:
        content = json.loads(contents(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and key in content
