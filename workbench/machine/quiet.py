"""What libraries log, kept off the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Keep what libraries log below an error off the screen while the block runs."""
    muted = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in muted]
    for logger in muted:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(muted, levels, strict=True):
            logger.setLevel(level)
