"""The generators of random numbers that a training draws from, as they were before somebody else drew."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def restored_generators() -> Iterator[None]:
    """Put the global generators of Python, numpy and torch, on every device, back to where they were, after the block.

    A generator that somebody made for themselves is not global.
    """
    import numpy as np
    import torch

    python, legacy, processor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    device = torch.accelerator.current_accelerator(check_available=True)
    module: Any = None if device is None else torch.get_device_module(device)
    count = module.device_count() if module else 0
    devices = [()] if count == 1 else [(index,) for index in range(count)]  # MPS, which has one, takes no number
    states = [(index, module.get_rng_state(*index)) for index in devices]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(processor)
        for index, state in states:
            module.set_rng_state(state, *index)
