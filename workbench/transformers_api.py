"""What transformers 4.57 and 5 call differently, said once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from workbench.extras import installed


@cache
def is_five() -> bool:
    """Return whether transformers is of its fifth major version, or a later one."""
    return int((installed("transformers") or "5").partition(".")[0]) >= 5


def training_options(warmup: float, by_length: bool) -> dict[str, Any]:
    """Return what ``TrainingArguments`` takes for a warm-up and for batches of texts of like length.

    Args:
        warmup: share of all steps over which the learning rate rises.
        by_length: whether texts of like length come into one batch.
    """
    if is_five():
        share = min(warmup, math.nextafter(1.0, 0.0))  # 1 would be one step
        return {"warmup_steps": share, "train_sampling_strategy": "group_by_length" if by_length else "random"}
    return {"warmup_ratio": warmup, "group_by_length": by_length}


@contextmanager
def without_bars() -> Iterator[None]:
    """Let no bar be shown while the block runs: transformers 5 has one for each model that it opens."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
