"""A process of Ray's gets ready for any piece."""

from __future__ import annotations

import gc

import torch

from experiments.engine.workers.hand import compute_with


def test_libraries_stay_out_of_garbage_collection() -> None:
    gc.unfreeze()  # what earlier tests left out
    compute_with(torch.get_num_threads())
    gc.collect()
    assert gc.get_freeze_count() > 100_000
