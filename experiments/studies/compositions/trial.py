"""One entry on one few-shot problem, which every entry gets alike: the same examples, budget and seed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from adapter_workbench.fusion.composing.fuse import body_key, composition_key, from_scratch, fuse, with_head
from adapter_workbench.fusion.target.composition import HEAD_REVISION, Composed, Request
from adapter_workbench.workbench.errors import Problem
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from adapter_workbench.experiments.studies.compositions.entry import Entry
    from adapter_workbench.fusion.composing.fuse import ComposedModel
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


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


@dataclass(frozen=True)
class FewShotTrial:
    """An entry, its problem, the entry's sources as they are stored, and tasks of theirs that it may read."""

    entry: Entry
    problem: FewShot
    sources: tuple[StoredAdapter, ...] = ()
    source_tasks: Mapping[str, Task] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """SHA-256 over everything that determines the model and its test."""
        problem = self.problem
        return key([self._model_key, problem.target.fingerprint, problem.budget.eval_examples, HEAD_REVISION])

    @property
    def label(self) -> str:
        """What to call the trial on a screen."""
        problem = self.problem
        return f"{self.entry.label} · {problem.target.name} · K {problem.shots} · seed {problem.seed}"

    @property
    def body_key(self) -> str | None:
        """Models with equal keys have equal bodies; None where no other model can have this one."""
        entry = self.entry
        if entry.role in ("fresh", "full", "frozen"):
            return None
        return body_key(entry.method, self.request(Silent()), entry.settings)

    def fused(
        self, listener: Listener, scratch: Path | None = None, before: ComposedModel | None = None
    ) -> ComposedModel:
        """Return the entry's model; ``before`` is one with the same body. Raises as :func:`fuse`."""
        entry, request = self.entry, self.request(listener, scratch)
        if entry.role in ("fresh", "full") and not self.problem.without:
            return from_scratch(request, entry.method, entry.settings)
        if entry.role in ("fresh", "frozen"):
            began, bare = time.perf_counter(), METHODS.get("head").settings.model_validate({})
            fused = with_head(Composed(self.problem.backbone.load(), "head", bare), request)
            return replace(fused, record=replace(fused.record, seconds=time.perf_counter() - began))
        return fuse(entry.method, request, entry.settings, before)

    def request(self, listener: Listener, scratch: Path | None = None) -> Request:
        """Return what a composition is asked for."""
        problem = self.problem
        return Request(
            sources=self.sources,
            target=problem.drawn,
            backbone=problem.backbone,
            precision=problem.precision,
            budget=problem.budget,
            seed=problem.seed,
            listener=listener,
            label=self.label,
            scratch=scratch,
            head=self.entry.head,
            source_tasks=self.source_tasks,
        )

    @property
    def _model_key(self) -> str:
        entry, problem = self.entry, self.problem
        none = [{"examples": 0}] if problem.without else []
        if entry.role in ("fresh", "full"):
            from adapter_workbench.workbench.methods.adaptation import Adaptation

            adaptation = Adaptation(problem.backbone, entry.method, entry.settings, problem.precision)
            lesson = Lesson(problem.target, adaptation, problem.budget, problem.seed)
            return key(["from nothing", lesson.key, entry.head, *none])
        if entry.role == "frozen":
            features = [problem.backbone.identity, problem.backbone.pooling, problem.precision]
            budget = problem.budget.model_dump(mode="json")
            return key(["frozen features", *features, budget, problem.seed, versions(), *none])
        return composition_key(entry.method, self.request(Silent()), entry.settings)
