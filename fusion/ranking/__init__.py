"""Which of many adapters suits a task with few labelled examples; each file is one way to rank them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.fusion.target.fitted_head import Features
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.task import Task

NOT_FINITE = "its features of the target's texts are not all finite"


@dataclass(frozen=True)
class RankingRequest:
    candidates: tuple[StoredAdapter, ...]  # the adapters to rank, all trained on ``backbone``
    target: Task  # the task that one is wanted for, drawn to its few examples already; its training split alone is read
    backbone: Backbone  # the frozen model below
    precision: Precision  # the arithmetic of the body
    max_length: int  # where texts are cut, in tokens
    seed: int = 0  # of every random choice
    # rows that a candidate was trained on, by its id, as far as they are at hand
    texts: Mapping[str, Dataset] = field(default_factory=dict)

    @cached_property
    def labels(self) -> list[int]:
        """The labels of the target's training examples.

        Raises:
            InputError: fewer than two labels have examples, or the target has no labels at all.
        """
        if not self.target.labels:
            hint = f"{self.target.name} is answered in words; use a ranking without labels (similarity)."
            raise InputError("this ranking needs a target with labels", hint=hint)
        labels: list[int] = self.target.splits["train"]["label"][:]
        if len(set(labels)) < 2:
            raise InputError(
                f"the training examples of {self.target.name} have fewer than two labels",
                hint="Give examples of at least two labels.",
            )
        return labels

    @cached_property
    def features(self) -> dict[str, Features]:
        """What each candidate's body makes of the target's training texts, by id: (examples, hidden_size)."""
        by_id = {}
        for source in self.candidates:
            model = open_adapter(source, self.backbone)
            model.precision, model.pooling = self.precision, self.backbone.pooling  # as a head for the target reads
            by_id[source.id] = features(model, self.target.splits["train"], self.backbone.tokenizer, self.max_length)
        return by_id


@dataclass(frozen=True)
class Score:
    """How well a candidate suits the target."""

    value: float | None  # higher is better, comparable within one ranking only; None where there is none
    reason: str | None = None  # why there is no value


@dataclass(frozen=True)
class Ranking:
    """A way to rank: a card that names its paper."""

    title: str  # the name in the literature
    paper: str  # where it was introduced
    rank: Callable[[RankingRequest], dict[str, Score]]  # the score of each candidate, by id


def score_each(request: RankingRequest, measure: Callable[[Features], float]) -> dict[str, Score]:
    """Return what ``measure`` makes of each candidate's features on the target's training texts."""
    return {
        name: Score(measure(vectors)) if np.isfinite(vectors).all() else Score(None, NOT_FINITE)
        for name, vectors in request.features.items()
    }


def best_first(scores: Mapping[str, Score]) -> list[str]:
    """Return the ids with a score, the highest first, then those without; equal ones in their old order."""
    values = {name: score.value for name, score in scores.items() if score.value is not None}
    return [*sorted(values, key=lambda name: -values[name]), *(name for name in scores if name not in values)]


RANKINGS: Modules[Ranking] = Modules("ranking", __name__, "RANKING", Ranking)
