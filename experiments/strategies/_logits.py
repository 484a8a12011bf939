"""Logits that rows bring with them: all heads side by side, NaN where there is nothing to be held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.answering.evaluation import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import nn

    from adapter_workbench.experiments.strategies._stage import Stage

COLUMN = "remembered"


def with_logits(rows: Dataset, logits: NDArray[np.float32]) -> Dataset:
    """Return ``rows`` with their logits (rows, labels) in a column of lists."""
    kept = rows.remove_columns(COLUMN) if COLUMN in rows.column_names else rows
    return kept.add_column(COLUMN, logits.astype(np.float32).tolist())


def no_logits(rows: int, stage: Stage) -> NDArray[np.float32]:
    """Return NaN for each label of all tasks learned so far: (rows, all labels)."""
    return np.full((rows, column_count(stage)), np.nan, dtype=np.float32)


def column_count(stage: Stage) -> int:
    """Return how many logits a row has: those of all tasks learned so far, the stage's own last."""
    posed = stage.context.posed
    return len(posed[-1].labels) if stage.context.scenario.shares_head else sum(len(task.labels) for task in posed)


def columns_of(stage: Stage, task: int) -> slice:
    """Return where the logits of an earlier task's head stand; of a shared head, all labels known before this stage."""
    context = stage.context
    if context.scenario.shares_head:
        return slice(0, context.labels_before)
    start = starts(context.posed)[task]
    return slice(start, start + len(context.posed[task].labels))


def answers(stage: Stage, rows: Dataset, heads: Sequence[nn.Module]) -> list[NDArray[np.float32]]:
    """Return what each head says of ``rows`` on the body as it is, (rows, labels of the head); the body runs once."""
    import torch

    context = stage.context
    head_inputs = torch.from_numpy(
        features(stage.model, rows, context.adaptation.backbone.tokenizer, context.budget.max_length)
    )
    with torch.inference_mode():
        return [head(head_inputs.to(next(head.parameters()).device)).cpu().numpy() for head in heads]
