"""Layers in 4 or 8 bits: peft looks for them at each matrix, and does so here only where a body can have some."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

QUESTIONS = ("is_bnb_available", "is_bnb_4bit_available")  # peft's, of each matrix
_ASKING = RLock()  # another thread that opens a body waits until peft's questions are its own again


@contextmanager
def asking_for_packed(body: Any) -> Iterator[None]:
    """Keep peft, while the block runs, from looking for layers in 4 or 8 bits in a ``body`` that has none.

    For each matrix it asks whether bitsandbytes is there, and imports it, which takes longer than all the rest. Only
    what a tuner calls is replaced; should a later peft call it otherwise, it imports bitsandbytes as before.
    """
    from peft import import_utils

    with _ASKING:
        packed = getattr(body, "is_quantized", False)
        tuners = () if packed else [module for name, module in sys.modules.items() if name.startswith("peft.tuners.")]
        replaced = [(tuner, name) for tuner in tuners for name in QUESTIONS if name in vars(tuner)]
        for tuner, name in replaced:
            setattr(tuner, name, lambda: False)
        try:
            yield
        finally:
            for tuner, name in replaced:
                setattr(tuner, name, getattr(import_utils, name))
