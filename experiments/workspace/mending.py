"""What becomes of damaged things in a workspace, and of what lies elsewhere.

Reading something damaged raises an error; a run makes it again. On a machine that does not see the workspace of a
run, what is about to be read is brought there first.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from workbench.adapters.manifest import read_manifest
from workbench.adapters.stored_adapter import StoredAdapter, check_files
from workbench.errors import IntegrityError
from workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workbench.adapters.store import AdapterStore
    from workbench.machine.listener import Listener

T = TypeVar("T")
READ_ONLY = "This workspace cannot be written; what follows is what it holds."


def all_is_here(path: Path) -> None:
    """Bring nothing: what there is of ``path`` is in the workspace."""


@dataclass(frozen=True)
class Mending:
    """How damage is met.

    Attributes:
        listener: hears of each damaged thing, which is then deleted, so that the run makes it again; with None damage
            is an error, and nothing is touched.
        bring: is called with the path of what is about to be read.
    """

    listener: Listener | None = None
    bring: Callable[[Path], None] = all_is_here

    def known(self, path: Path, read: Callable[[], T | None]) -> T | None:
        """Return what ``read`` gives; None where there is nothing, or nothing any more.

        Args:
            path: the file or folder that stands or falls with what is read.
            read: raises IntegrityError where that is damaged.
        """
        self.bring(path)
        try:
            return read()
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
    """Return whether an adapter is there, and as it was written."""
    folder = store.folder(name)
    try:
        check_files(StoredAdapter(read_manifest(folder), folder))
    except IntegrityError:
        return False
    return True


def clear_the_way(store: AdapterStore, name: str, listener: Listener) -> None:
    """Move an adapter aside that is damaged, or came from elsewhere under the id of what is to be trained here.

    It can be trained again; other files in its folder cannot.
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
