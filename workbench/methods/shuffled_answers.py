"""A task's form without its skill: the same texts and the same answers, each at another text."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset

from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


def shuffled(task: Task, budget: Budget, seed: int) -> Task:
    """Return what a fit with ``budget`` and ``seed`` sees of ``task``, with its answers permuted.

    The texts are those that the same fit on ``task`` sees, so they are drawn before anything is permuted, within the
    training and the validation split. Every answer is there as often as before; tags are permuted over all words of a
    split. Test rows stay as they are: no fit reads them.
    """
    drawn, generator = draw(task, budget, seed), np.random.default_rng(seed)
    column = KINDS.get(task.kind).target
    splits = {name: _permuted(drawn.splits[name], column, generator) for name in ("train", "validation")}
    return replace(
        drawn,
        name=f"{task.name}-shuffled",
        splits={**drawn.splits, **splits},
        fingerprint=key(["shuffled answers", task.fingerprint, budget.model_dump(mode="json"), seed]),
        origin=f"{task.origin}; its answers are shuffled",
        shuffled=True,
    )


def _permuted(rows: Dataset, column: str, generator: np.random.Generator) -> Dataset:
    answers: list[Any] = rows[column][:]
    if column == "tags":  # as many as the text has words
        tags = [tag for row in answers for tag in row]
        mixed = [tags[index] for index in generator.permutation(len(tags))]
        ends = accumulate(map(len, answers), initial=0)
        answers = [mixed[start:end] for start, end in pairwise(ends)]
    else:
        answers = [answers[index] for index in generator.permutation(len(answers))]
    columns = {name: rows[name][:] for name in rows.column_names}
    return Dataset.from_dict({**columns, column: answers}, rows.features)
