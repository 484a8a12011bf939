"""Heads fitted on what a body makes of labelled rows: under which name each is, and on whose rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.methods.sampling import stratified_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import nn

    from adapter_workbench.experiments.repairs import EndOfStream, Shared
    from adapter_workbench.experiments.strategies import Context
    from adapter_workbench.workbench.methods.task import Task

KIND = "classification"  # whose head is a linear layer on one vector a text


def by_head(context: Context, tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Return the tasks under each head, by the name that the head is stored under."""
    from adapter_workbench.experiments.strategies._heads import head_name  # torch comes with it

    heads: dict[str, list[Task]] = {}
    for task in tasks:
        heads.setdefault(head_name(context, task), []).append(task)
    return heads


def sample(stream: EndOfStream, task: Task, split: str, size: int | None) -> Dataset:
    """Return at most ``size`` rows of a task's split, drawn with the stream's seed."""
    return stratified_sample(task.splits[split], size, stream.context.seed)


def fitted(
    stream: EndOfStream, shared: Shared, tasks: Sequence[Task], examples: int, validation_examples: int | None = None
) -> nn.Module:
    """Return a head for all of ``tasks``, which share it: a logistic regression on the features of a body.

    Args:
        stream: whose tasks they are.
        shared: the body, and a head for each task, which is not asked.
        tasks: drawn as the budget says.
        examples: of each task's training rows. With 0 the head is fitted on the validation rows, and folds of these
            choose its strength; otherwise the validation rows choose it.
        validation_examples: of each task's validation rows; all if None.
    """
    from adapter_workbench.fusion.target.fitted_by_folds import fit_head_by_folds
    from adapter_workbench.fusion.target.fitted_head import fit_head

    labels = len(tasks[-1].labels)
    held = _read(stream, shared, tasks, "validation", validation_examples)
    if not examples:
        return fit_head_by_folds(*held, labels).head
    return fit_head(*_read(stream, shared, tasks, "train", examples), *held, labels).head


def _read(
    stream: EndOfStream, shared: Shared, tasks: Sequence[Task], split: str, size: int | None
) -> tuple[NDArray[np.float32], list[int]]:
    """Return the feature vectors (examples, h) of a split of all tasks, and its labels."""
    from adapter_workbench.workbench.answering.evaluation import features  # torch comes with it

    context, seen, labels = stream.context, [], list[int]()
    for task in tasks:
        rows = sample(stream, task, split, size)
        model = stream.model(shared, task)
        seen.append(features(model, rows, context.adaptation.backbone.tokenizer, context.budget.max_length))
        labels += rows["label"][:]
    return np.concatenate(seen), labels
