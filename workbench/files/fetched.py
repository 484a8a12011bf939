"""Files and folders that are fetched into the cache, and kept only with the digest that was promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.files.atomic import folder_beside, put_whole, remove_whole, sweep
from adapter_workbench.workbench.files.cache import writing_cache
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.files.scratch import scratch_folder

STAYS = "The copy that was here before stays as it is"
AGAIN = "Run again; if it happens again, what is published is not what was expected."


def fetched(target: Path, sha256: str | None, what: str, fetch: Callable[[Path], Callable[[Path], object]]) -> Path:
    """Return ``target``, the local copy; it is fetched where there is none, or none with the promised digest.

    A copy with another digest may be damaged, or the promise may be wrong, as in a file from elsewhere. So it makes way
    for one that keeps the promise, and is never deleted because of the promise alone: other tasks may need it.

    Args:
        target: where the copy lies, or would lie.
        sha256: the digest that :func:`digest` must give; None: any.
        what: it is, in words.
        fetch: is called with an empty folder; downloads, and returns what writes the copy to a path.

    Raises:
        InputError: the cache cannot be written.
        AssetError: it cannot be fetched, or what was fetched has another digest, and is not kept.
    """
    with writing_cache():
        there = target.exists()
        actual = digest(target) if there and sha256 else None
    if there and actual == sha256:
        return target
    with scratch_folder() as scratch:
        try:
            write = fetch(scratch)
        except AssetError as error:
            if not there:
                raise
            message = f"the copy of {what} that is here has SHA-256 {actual}, expected {sha256}; {error.what}"
            raise AssetError(message, where=str(target), hint=f"{STAYS}. {error.hint or ''}") from None
        with writing_cache():
            _keep(target, sha256, what, write, there)
    return target


def _keep(target: Path, sha256: str | None, what: str, write: Callable[[Path], object], there: bool) -> None:
    """Give what ``write`` writes its place, if it has the digest; what was there before makes way for it."""
    sweep(target.parent)
    with folder_beside(target) as folder:
        draft = folder / target.name
        write(draft)
        if sha256 and (actual := digest(draft)) != sha256:
            hint = f"What was fetched is discarded. {f'{STAYS}: {target}' if there else AGAIN}"
            raise AssetError(f"{what} has SHA-256 {actual}, expected {sha256}", hint=hint)
        if there:
            remove_whole(target)  # last of all
        put_whole(draft, target)
