"""Locks and claims: nobody else works on the same thing, and whoever dies lets go of it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import UnwritableError

if TYPE_CHECKING:
    from pathlib import Path

LOCKLESS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}  # what file systems without locks answer
ELSEWHERE = "Name another --workspace."


@contextmanager
def hold(path: Path, wait: bool, holds: str = "the workspace", hint: str = ELSEWHERE) -> Iterator[bool]:
    """Hold the file ``path`` while the block runs; the hold ends with the process, however that ends.

    Yields whether it is held. With ``wait`` it first waits until nobody else holds it; without, it yields at once.

    Args:
        path: the file; it is made with its folder.
        wait: whether to wait for it.
        holds: what it is a part of, for messages.
        hint: what a person does who may not write there.

    Raises:
        UnwritableError: the file cannot be made, or its file system has no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise UnwritableError(f"cannot write to {holds}: {error.strerror}", where=str(path), hint=hint) from None
    try:
        yield _flock(descriptor, 0 if wait else fcntl.LOCK_NB, path, hint)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, how: int, path: Path, hint: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
        message = f"this file system has no locks: {error.strerror}"
        raise UnwritableError(message, where=str(path), hint=hint) from error
    return True
