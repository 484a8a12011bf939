"""refit-head: heads of earlier tasks are fitted again, on what the final weights make of a few kept examples.

What comes back was forgotten by the head alone (Zheng et al. 2025, arXiv:2501.13453, call that spurious forgetting; the
probe head-refit measures it). The head is a logistic regression, whose strength validation picks; a head that all tasks
share is fitted on the examples of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.repairs import Attempt, Shared
from experiments.repairs._path import without_body
from workbench.methods.sampling import stratified_sample
from workbench.settings.base import Settings
from workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from experiments.repairs import EndOfStream
    from workbench.methods.task import Task

KIND = "classification"  # whose head is a linear layer on one vector a text


class RefitHeadSettings(Settings):
    """``examples``: kept of each task's training rows, drawn with the stream's seed."""

    examples: Count = 128


class RefitHead:
    """Its one attempt: the body stays, heads of classification tasks are new; the last task's own head stays too."""

    settings = RefitHeadSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """An earlier task has to have labels."""
        if all(task.kind != KIND for task in stream.context.tasks[:-1]):
            return f"no earlier task is a {KIND} task, whose head could be fitted"
        return without_body(stream)

    def attempts(self, stream: EndOfStream, settings: RefitHeadSettings) -> Iterator[Attempt]:
        """Yield one."""
        from experiments.strategies._heads import head_name  # torch comes with it

        shared, context = stream.open(), stream.context
        last = head_name(context, context.tasks[-1])
        by_head: dict[str, list[Task]] = {}
        for task in context.drawn:
            if task.kind == KIND and (context.scenario.shares_head or head_name(context, task) != last):
                by_head.setdefault(head_name(context, task), []).append(task)
        heads = {name: _refitted(stream, shared, tasks, settings.examples) for name, tasks in by_head.items()}
        most = max(len(task.splits["train"]) for tasks in by_head.values() for task in tasks)
        yield Attempt({"examples": min(settings.examples, most)}, Shared(shared.body, {**shared.heads, **heads}))


def _refitted(stream: EndOfStream, shared: Shared, tasks: Sequence[Task], examples: int) -> nn.Module:
    """Return a head fitted on all of ``tasks``, which share it."""
    from fusion.target.fitted_head import fit_head

    train = [_read(stream, shared, task, "train", examples) for task in tasks]
    validation = [_read(stream, shared, task, "validation", None) for task in tasks]
    seen, held = (np.concatenate([states for states, _ in read]) for read in (train, validation))
    given, truth = ([label for _, labels in read for label in labels] for read in (train, validation))
    return fit_head(seen, given, held, truth, len(tasks[-1].labels)).head


def _read(
    stream: EndOfStream, shared: Shared, task: Task, split: str, size: int | None
) -> tuple[NDArray[np.float32], list[int]]:
    """Return the feature vectors (examples, h) of a split, and its labels."""
    from workbench.answering.evaluation import features  # torch comes with it

    context = stream.context
    rows = stratified_sample(task.splits[split], size, context.seed)
    read = features(stream.model(shared, task), rows, context.adaptation.backbone.tokenizer, context.budget.max_length)
    return read, list(rows["label"][:])


REPAIR = RefitHead()
