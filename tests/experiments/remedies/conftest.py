"""What trainings in one process leave behind is undone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState


@pytest.fixture(autouse=True)
def own_precision() -> Iterator[None]:
    """TrainingArguments with bf16 say so in the environment, and later trainings in this process would obey."""
    before = os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    yield
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    if before is not None:
        os.environ["ACCELERATE_MIXED_PRECISION"] = before
    AcceleratorState._reset_state(reset_partial_state=True)
