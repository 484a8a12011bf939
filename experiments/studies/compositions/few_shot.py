"""The few-shot problem that every entry of a comparison gets: the same examples, budget and seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import Problem
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

GIVEN_BY_SHOTS = ("train_examples", "validation_examples")  # fields of a budget
EXAMPLES_SEEN, FEWEST_EPOCHS, MOST_EPOCHS = 640, 3, 20


@dataclass(frozen=True)
class FewShot:
    """A target with K labelled training examples and as many for validation (as in LM-BFF, Gao et al. 2021).

    Of a target with fewer validation rows, all are taken.

    Attributes:
        target: the whole task; its test split is read as far as ``budget.eval_examples`` goes.
        budget: :func:`few_shot_budget`'s.
        seed: draws the examples, and is the seed of everything that is fitted on them.
        without: whether there is no example at all, K = 0: neither to train on, nor for validation.
    """

    target: Task
    backbone: Backbone
    precision: Precision
    budget: Budget
    seed: int
    without: bool = False

    @property
    def shots(self) -> int:
        """K."""
        rows = len(self.target.splits["train"])
        return 0 if self.without else min(self.budget.train_examples or rows, rows)

    @cached_property
    def drawn(self) -> Task:
        """The target with its few examples."""
        drawn = draw(self.target, self.budget, self.seed)
        if not self.without:
            return drawn
        none = {name: drawn.splits[name].select([]) for name in ("train", "validation")}
        return replace(drawn, splits={**drawn.splits, **none})


def undrawable(target: Task, shots: Iterable[int], where: str) -> Iterator[Problem]:
    """Yield a problem for each K of which another number of training examples would be drawn.

    A split with fewer rows gives all of them, and one with more labels a row of each. Fewer validation examples than K
    are allowed: they choose, and nothing is counted by their number.
    """
    rows = target.splits["train"]
    labels = len(set(rows["label"][:])) if "label" in rows.column_names else 0
    for examples in filter(None, shots):
        if examples > len(rows):
            message = f"K = {examples}, but {target.name!r} has {len(rows)} training rows"
            yield Problem(message, where, f"Lower it to {len(rows)} or less, or take another target.")
        elif examples < labels:
            message = f"K = {examples}, but the training rows of {target.name!r} have {labels} labels"
            yield Problem(f"{message}, and one row of each is drawn at least", where, f"Raise it to {labels} or more.")


def few_shot_budget(budget: dict[str, Any], shots: int) -> dict[str, Any]:
    """Return the settings of a budget for K = ``shots`` examples; what ``budget`` states itself stays.

    Few examples are seen more often: 640 ÷ K times, at least 3 and at most 20 times. That is 20 optimiser steps for
    K = 16, 40 for K = 64 and 48 for K = 256, in batches of 16. The budget itself refuses a K that is none; with
    K = 0 nothing is drawn, and what is left is the budget of the test.
    """
    if shots == 0:
        return {name: value for name, value in budget.items() if name not in GIVEN_BY_SHOTS}
    epochs = min(max(round(EXAMPLES_SEEN / max(shots, 1)), FEWEST_EPOCHS), MOST_EPOCHS)
    return {"epochs": epochs, **budget, "train_examples": shots, "validation_examples": shots}
