"""Damaged things in a workspace: for a report they are an error; a run deletes them and makes them again."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from adapter_workbench.workbench.adapters.manifest import read_manifest
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter, check_files
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.machine.listener import Listener

T = TypeVar("T")
READ_ONLY = "This workspace cannot be written; what follows is what it holds."


@dataclass(frozen=True)
class DamagePolicy:
    """What happens when something damaged is read."""

    # hears of each damaged thing, which is then deleted, so that the run makes it again. With None damage is an
    # error, and nothing is deleted.
    listener: Listener | None = None

    def read(self, path: Path, load: Callable[[], T | None]) -> T | None:
        """Return what ``load`` returns; None where there is nothing, or where it was damaged and is now deleted.

        Args:
            path: the file or folder to delete where its content is damaged.
            load: reads it; raises IntegrityError where it is damaged.

        Raises:
            IntegrityError: it is damaged, and there is no listener.
        """
        try:
            return load()
        except IntegrityError as error:
            if self.listener is None:
                raise
            self.listener.say(f"{error.where}: {error.what}. It is made again.")
            atomic.remove_whole(path)
            return None


@contextmanager
def needed_by(experiment: str, command: str) -> Iterator[None]:
    """Add to an IntegrityError of the block which experiment needs the file, and what makes it again."""
    try:
        yield
    except IntegrityError as error:
        again = f"`{command}`" if command.startswith("workbench ") else "`workbench run` with its recipe"
        hint = f"The report on {experiment!r} needs it; {again} makes it again."
        raise IntegrityError(error.what, where=error.where, hint=error.hint or hint) from None


def is_sound(store: AdapterStore, name: str) -> bool:
    """Return whether an adapter is in the store and undamaged."""
    folder = store.folder(name)
    try:
        check_files(StoredAdapter(read_manifest(folder), folder))
    except IntegrityError:
        return False
    return True


def set_unusable_aside(store: AdapterStore, name: str, listener: Listener) -> None:
    """Move an adapter aside that is damaged, or that was imported under the id of one that is to be trained here.

    It is moved, not deleted: an adapter can be trained again, but other files in its folder may be a person's own.
    """
    folder = store.folder(name)
    if not folder.exists():
        return
    if not is_sound(store, name):
        why = "damaged. It is trained again"
    elif read_manifest(folder).imported is not None:
        why = "it came from elsewhere. It is trained here"
    else:
        return
    aside = store.root.parent / "damaged" / f"{name}-{secrets.token_hex(4)}"
    atomic.move_whole(folder, aside)
    listener.say(f"{folder}: {why}; what was there is kept in {aside}.")
