"""Files and folders that are created, moved and deleted atomically, even if the process is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapter_workbench.workbench.errors import InputError, UnwritableError, WorkbenchError
from adapter_workbench.workbench.files.ordinary import require_utf_8_path
from adapter_workbench.workbench.files.size_limit import reach_limit, says_too_large, too_large

LOCK = ".lock"  # ending of the file that a writer holds while its output is unfinished
DRAFT = "draft"  # name of what an empty folder is filled with
UNFINISHED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}(\.lock)?")
EFFECTIVE = os.access in os.supports_effective_ids
FORSAKEN = 24 * 60 * 60  # seconds after which an unfinished path without a lock belongs to nobody
REFUSALS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` when the block ends well, and vanishes when it does not.

    The files are fsynced before the rename, so that after a crash ``target`` is either whole or not there.
    A ``target`` that another process completed in the meantime is kept. What killed writers of it left is deleted.

    Raises:
        UnwritableError: nothing can be written there.
    """
    with _held_beside(target) as folder:
        with _writing(target):
            folder.mkdir()
        try:
            with _within_limit(folder, target):
                yield folder
            flush(folder)
            with _writing(target):
                _rename_to(folder, target)
            _fsync(target.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Yield an empty hidden folder in the folder of ``target``; it vanishes after the block.

    Who is killed in the block leaves it to whoever writes the same target next, or to the next :func:`sweep`.
    """
    with _held_beside(target) as folder:
        with _writing(target):
            folder.mkdir()
        try:
            with _within_limit(folder, target.parent):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def make_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; what was made and is empty is taken away where the block fails.

    Raises:
        UnwritableError: nothing can be written there.
    """
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something is in it: another process writes there too
            for parent in missing:
                parent.rmdir()
        raise


def put_whole(source: Path, target: Path) -> bool:
    """Give a finished file or folder its place in the same file system; return whether it is there now.

    It is fsynced first. A file takes the place of a file; a folder that is there already is kept as it is.

    Raises:
        UnwritableError: nothing can be written there.
    """
    flush(source)
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            _rename_to(source, target)
        else:
            source.replace(target)
    _fsync(target.parent)
    return not source.exists()


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target``, whole or not at all.

    An empty folder at ``target`` stays the same folder and is filled: a person may stand in it, or it may be mounted.
    What killed writers of the same folder left is deleted before, in it and beside it.

    Raises:
        InputError: there is something at ``target`` already, or its path is not UTF-8.
        UnwritableError: nothing can be written there.
    """
    require_utf_8_path(target)
    for draft in (target, target / DRAFT):
        _sweep_locked(draft.parent, draft.name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("this path exists already and is not an empty folder", where=str(target))
    with _fill(target) if target.exists() else written_whole(target) as folder:
        yield folder


def write_whole(target: Path, content: str | bytes) -> None:
    """Write one file whole: a reader sees the old content or the new one; raises as :func:`file_written_whole`."""
    with file_written_whole(target) as path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def require_folder_of(target: Path) -> None:
    """Raise UnwritableError where the folder of ``target`` does not exist: the person may have misspelt it."""
    folder = target.parent
    if os.path.lexists(folder):
        return  # whoever writes there gets the error for any other problem
    hint = f"Make it first: mkdir -p {shlex.quote(str(folder))}"
    raise UnwritableError(f"cannot write here: there is no folder {str(folder)!r}", where=str(target), hint=hint)


def require_new(target: Path, overwrite: bool) -> None:
    """Raise InputError where a file would be replaced without permission."""
    if not overwrite and os.path.isfile(target):  # noqa: PTH113  # a Path raises on long names
        raise InputError("this file exists already", where=str(target), hint="--overwrite replaces it.")


@contextmanager
def file_written_whole(target: Path) -> Iterator[Path]:
    """Yield a path whose file becomes ``target``, in the place of what was there, when the block ends well.

    Raises:
        UnwritableError: nothing can be written there, or ``target`` is a folder or a device.
    """
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113  # a Path raises on long names
        kind = "a folder" if target.is_dir() else "no plain file"
        raise UnwritableError(f"cannot write here: this is {kind}", where=str(target))
    with _held_beside(target) as path:
        try:
            with _writing(target):
                path.touch(exist_ok=False)
            with _within_limit(path, target):
                yield path
            _fsync(path)
            with _writing(target):
                path.replace(target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def remove_whole(target: Path) -> None:
    """Delete a folder or a file, if it is there, so that no reader ever sees a part of it.

    Raises:
        UnwritableError: it cannot be deleted, or a folder in it may not be changed; it stays as it is.
    """
    if not os.path.lexists(target):
        return
    _require_deletable(target)
    with _held_beside(target) as grave, _writing(target):
        try:
            target.rename(grave)
        except FileNotFoundError:
            return
        _delete(grave)


@contextmanager
def removed_whole(target: Path) -> Iterator[None]:
    """Delete a file, if it is there, before the block; where the block fails, the same file is there again.

    Raises:
        UnwritableError: it cannot be deleted.
    """
    if not os.path.lexists(target):
        yield
        return
    with _held_beside(target) as grave:
        with _writing(target), suppress(FileNotFoundError):
            target.rename(grave)
        try:
            yield
        except BaseException:
            with suppress(FileNotFoundError):
                grave.rename(target)
            raise
        grave.unlink(missing_ok=True)


def move_whole(source: Path, target: Path) -> None:
    """Give a folder or a file another place in the same file system.

    Raises:
        UnwritableError: it cannot be moved there.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def flush(path: Path) -> None:
    """Have the disk hold a file, or a folder and all that is in it, before anything else is written."""
    for entry in [*(path.rglob("*") if path.is_dir() else ()), path]:
        _fsync(entry)


def sweep(folder: Path) -> int:
    """Delete unfinished files of killed writers in ``folder``; return their size in bytes.

    What is being written is locked by its writer, on this machine or another; a lock ends with its process.
    """
    swept = _sweep_locked(folder)
    for path in map(folder.joinpath, _names(folder)):
        if UNFINISHED.fullmatch(path.name) and path.suffix != LOCK and _is_forsaken(path):
            swept += _delete_counted(path)
    return swept


def _sweep_locked(folder: Path, name: str | None = None) -> int:
    """Delete what has a lock that nobody holds, only of the target called ``name`` if given; return bytes."""
    swept = 0
    for entry in _names(folder):
        unfinished = entry.endswith(LOCK) and UNFINISHED.fullmatch(entry)
        if not unfinished or name not in (unfinished["name"], None):
            continue
        lock = folder / entry
        with suppress(OSError), _descriptor(lock) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            swept += _delete_counted(lock.with_suffix(""))
            lock.unlink()
    return swept


@contextmanager
def _held_beside(target: Path) -> Iterator[Path]:
    """Yield a hidden path in the same folder that nobody has taken; it is locked, so that nobody sweeps it.

    What killed writers of the same target left is deleted, and nothing else beside it: the folder may be a person's.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    _sweep_locked(target.parent, target.name)
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        lock = path.with_name(f"{path.name}{LOCK}")
        with _writing(target):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            with suppress(OSError):  # a file system without locks: nothing there is ever swept by them
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not lock.exists():
                continue  # somebody swept it before it was locked
            yield path
            return
        finally:
            if not os.path.lexists(path):  # otherwise the next sweep deletes what is there
                lock.unlink(missing_ok=True)
            os.close(descriptor)


@contextmanager
def _fill(target: Path) -> Iterator[Path]:
    """Yield an empty folder inside the empty folder ``target``; what is in it moves up when the block ends well."""
    moved: list[Path] = []
    with folder_beside(target / DRAFT) as folder:
        yield folder
        flush(folder)
        try:
            with _writing(target):
                for path in [*folder.iterdir()]:
                    path.rename(target / path.name)
                    moved.append(target / path.name)
        except BaseException:
            for path in moved:
                _delete(path)
            raise
        _fsync(target)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn a refusal of the file system into one message; a full disk is another error."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise UnwritableError(f"cannot write here: {error.strerror}", where=str(target)) from error


@contextmanager
def _within_limit(draft: Path, target: Path) -> Iterator[None]:
    """Turn an error of whoever fills ``draft`` into one message where a file has become as large as it may be.

    Raises:
        UnwritableError: a file for ``target`` would become too large.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        if not says_too_large(error) and not reach_limit([draft, *(draft.rglob("*") if draft.is_dir() else ())]):
            raise
        raise too_large(str(target)) from error


def _rename_to(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


def _is_forsaken(path: Path) -> bool:
    """Return whether a path has no lock and is old: an earlier version, without locks, wrote it."""
    try:
        return not path.with_name(f"{path.name}{LOCK}").exists() and time.time() - path.lstat().st_mtime > FORSAKEN
    except FileNotFoundError:
        return False


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # thousands of Paths would take longer than what is written
    except OSError:
        return []


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _delete_counted(path: Path) -> int:
    """Delete a file or a folder, if it is there and this can be done, and return how many bytes it was."""
    if not os.path.lexists(path):
        return 0
    try:
        files = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
        bytes_ = sum(file.lstat().st_size for file in files if not file.is_dir())
        _delete(path)
    except OSError:  # it cannot be deleted, or another process deletes it at the same time
        return 0
    return bytes_


def _require_deletable(target: Path) -> None:
    """Raise UnwritableError where a folder has something in it that could not be deleted."""
    if target.is_symlink() or not target.is_dir():
        return
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())):
        with _writing(folder):
            if not os.access(folder, os.W_OK | os.X_OK, effective_ids=EFFECTIVE):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
