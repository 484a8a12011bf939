"""How further Python processes are started: without the current folder on their import path.

Python puts that folder first on the path of ``-m`` and ``-c``, so that a ``pip/`` or ``mlflow/`` in it would be run.
``-P`` leaves it out. ``-I`` would also leave out what people name themselves: ``PYTHONPATH``, and packages in their
home. Processes that such a process starts in turn know nothing of its options, but have its environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

PYTHON = (sys.executable, "-P")
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def safe_path() -> AbstractContextManager[None]:
    """Let every process that is started inside the block, by whatever library, leave out the current folder."""
    return environment(SAFE_PATH)


@contextmanager
def environment(more: Mapping[str, str], also: Iterable[str] = ()) -> Iterator[None]:
    """Set variables of the environment while the block runs; what was there before, also of ``also``, is put back."""
    before = {name: os.environ.get(name) for name in (*more, *also)}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
