"""What trainings in one process leave behind is undone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState


@pytest.fixture(autouse=True)
def own_precision() -> Iterator[None]:
    """TrainingArguments with bf16 or torch_compile say so in the environment, and later ones here would obey."""
    names = ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE")
    before = {name: os.environ.pop(name, None) for name in names}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    AcceleratorState._reset_state(reset_partial_state=True)
