"""Drawing a budget's share of a task: stratified, seeded, and for testing always the same examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

EVALUATION_SEED = 0


def draw(task: Task, budget: Budget, seed: int) -> Task:
    """Return ``task`` with its splits cut to ``budget``.

    Training examples depend on ``seed``; validation and test examples do not, so that scores of different seeds,
    methods and stages are scores on the same examples. Only where the budget says how many validation examples there
    are, as few-shot work does, do they belong to what a seed varies.
    """
    few = budget.validation_examples
    wanted = {
        "train": (budget.train_examples, seed),
        "validation": (few, seed) if few else (budget.eval_examples, EVALUATION_SEED),
        "test": (budget.eval_examples, EVALUATION_SEED),
    }
    return replace(task, splits={name: stratified_sample(rows, *wanted[name]) for name, rows in task.splits.items()})


def test_rows(task: Task, budget: Budget) -> Dataset:
    """Return the test examples that :func:`draw` gives ``task``; the other splits are not drawn."""
    return stratified_sample(task.splits["test"], budget.eval_examples, EVALUATION_SEED)


def stratified_sample(rows: Dataset, size: int | None, seed: int) -> Dataset:
    """Return ``size`` of ``rows`` in their old order, each label with its share (largest remainder), at least one each.

    Rows without labels are drawn as if they all had the same one.

    All rows come back if there are no more than ``size``, or if ``size`` is None. Only where there are more labels than
    ``size`` do more rows come back: one for each label.
    """
    if size is None or len(rows) <= size:
        return rows
    labels = np.asarray(rows["label"][:]) if "label" in rows.column_names else np.zeros(len(rows), dtype=np.int64)
    values, counts = np.unique(labels, return_counts=True)
    generator = np.random.default_rng(seed)
    picked = [
        generator.choice(np.flatnonzero(labels == value), share, replace=False)
        for value, share in zip(values, _shares(counts, size), strict=True)
    ]
    return rows.select(np.sort(np.concatenate(picked)))


def repeated(rows: Dataset, size: int, seed: int) -> Dataset:
    """Return ``size`` rows: all of ``rows`` as often as they fit, and a drawn part of them for what is left.

    Of more rows than ``size`` it is a part, as :func:`stratified_sample` draws it; of none, none. So an epoch over few
    rows has as many steps as one over ``size`` rows.
    """
    if not len(rows) or len(rows) >= size:
        return stratified_sample(rows, size, seed)
    times, left = divmod(size, len(rows))
    rest = np.random.default_rng(seed).permutation(len(rows))[:left]
    return rows.select(np.concatenate([np.tile(np.arange(len(rows)), times), np.sort(rest)]))


def _shares(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    exact = counts * size / counts.sum()
    shares: NDArray[np.int64] = np.maximum(np.floor(exact).astype(np.int64), 1)
    while shares.sum() > max(size, len(shares)):
        shares[shares.argmax()] -= 1
    for index in np.argsort(shares - exact, kind="stable"):
        if shares.sum() >= size:
            break
        shares[index] += 1
    return shares
