"""Locks and claims: nobody else works on the same thing, and whoever dies lets go of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.errors import UnwritableError

if TYPE_CHECKING:
    from pathlib import Path


@contextmanager
def held(path: Path, wait: bool) -> Iterator[bool]:
    """Hold the file ``path`` while the block runs; the hold ends with the process, however that ends.

    Yields whether it is held. With ``wait`` it first waits until nobody else holds it; without, it yields at once.

    Raises:
        UnwritableError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        hint = "Name another --workspace."
        raise UnwritableError(f"cannot write to the workspace: {error}", where=str(path), hint=hint) from None
    try:
        yield _flock(descriptor, 0 if wait else fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except BlockingIOError:
        return False
    return True
