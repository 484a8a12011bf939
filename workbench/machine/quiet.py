"""What libraries log and warn of, kept off the screen."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*loggers: str, below: int = logging.ERROR) -> Iterator[None]:
    """Keep what libraries log below an error, or another level, off the screen while the block runs."""
    muted = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in muted]
    for logger in muted:
        logger.setLevel(below)
    try:
        yield
    finally:
        for logger, level in zip(muted, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def without_printing() -> Iterator[None]:
    """Discard what libraries in other languages print while the block runs; Python's own stream does not see it."""
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


@contextmanager
def without_advice(package: str) -> Iterator[None]:
    """Keep what a package warns of off the screen while the block runs: it advises those who train with it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=rf"{package}\.")
        yield
