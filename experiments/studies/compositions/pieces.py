"""The pieces of a comparison of compositions: sources are trained and described, then each contestant is tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.engine.forecast import lesson_forecast, lesson_pace, lesson_updates, step_shape
from experiments.engine.study import Forecast
from experiments.studies.compositions.record import LEFT, SourcesLeft, TrialLeft
from experiments.studies.compositions.trial import Trial
from experiments.studies.compositions.trying import results, tried
from fusion.compatibility import require_compatible
from fusion.diagnostics import diagnose
from fusion.lora import read
from workbench import processes
from workbench.digest import key
from workbench.package_versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.engine.study import Piece, Site
    from experiments.studies.compositions.contestant import Contestant
    from experiments.studies.compositions.few_shot import FewShot
    from experiments.studies.compositions.plan import FusionPlan
    from experiments.studies.compositions.source import Source
    from experiments.workspace import Workspace
    from workbench.training import Lesson


@dataclass(frozen=True)
class SourcePiece:
    """One source: a method on a task with a seed."""

    lesson: Lesson
    needs = ()
    alone = False

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["source", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """Which source it is."""
        lesson = self.lesson
        return {"part": "source", "task": lesson.task.name, "method": lesson.adaptation.method, "seed": lesson.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.lesson.task.name} · {self.lesson.adaptation.method} · seed {self.lesson.seed}"

    @property
    def updates(self) -> int:
        """Optimiser steps of the fit."""
        return lesson_updates(self.lesson)

    @property
    def forecast(self) -> Forecast:
        """Of a training step."""
        return lesson_forecast(self.lesson)

    @property
    def pace(self) -> str:
        """Backbone, method and the shape of an optimiser step."""
        return lesson_pace(self.lesson)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the adapter is there."""
        return workspace.has_adapter(self.lesson.adapter_id)

    def work(self, site: Site) -> None:
        """Train it."""
        site.workspace.learned(self.lesson, site.listener, self.label)


@dataclass(frozen=True)
class SourcesPiece:
    """What is known of the sources of one seed and family before they are composed."""

    plan: FusionPlan
    seed: int
    sources: tuple[Source, ...]
    needs: tuple[str, ...]
    alone = False
    updates = 0
    forecast = Forecast()

    @cached_property
    def key(self) -> str:
        """The sources, their order, and the seed that chance is drawn with."""
        return key(["sources", [source.identity for source in self.sources], self.seed])

    @property
    def place(self) -> Mapping[str, Any]:
        """Whose sources they are."""
        return {"part": "sources", "seed": self.seed, "family": self.sources[0].method}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"sources by {self.sources[0].method} · seed {self.seed}"

    @property
    def pace(self) -> str:
        """How many sources of which method."""
        return f"sources {self.plan.backbone.name} {self.sources[0].method} {len(self.sources)}"

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether they were described."""
        return workspace.documents(LEFT, SourcesLeft).get(self.key) is not None

    def work(self, site: Site) -> None:
        """Describe the sources; LoRAs are diagnosed too.

        Raises:
            InputError: they do not go together.
        """
        adapters = [source.stored_in(site.workspace) for source in self.sources]
        require_compatible(adapters, self.plan.backbone)
        described = tuple(
            {
                "adapter": adapter.manifest.id,
                "task": adapter.manifest.task.name,
                "method": adapter.manifest.method,
                "seed": self.seed,
                "validation": adapter.manifest.fit.validation,
            }
            for adapter in adapters
        )
        diagnostics = None
        if adapters[0].manifest.library == "peft" and len(adapters) > 1:
            updates = [read(adapter.folder) for adapter in adapters]
            diagnostics = diagnose([source.task for source in self.sources], updates, seed=self.seed).as_json()
        site.workspace.documents(LEFT, SourcesLeft).save(self.key, SourcesLeft(described, diagnostics))


@dataclass(frozen=True)
class TrialPiece:
    """One contestant on one problem."""

    plan: FusionPlan
    contestant: Contestant
    problem: FewShot
    needs: tuple[str, ...]
    alone = False
    updates = None
    forecast = Forecast()

    @cached_property
    def key(self) -> str:
        """The contestant, its sources, and the problem."""
        one, problem = self.contestant, self.problem
        return key(
            {
                "contestant": [one.role, one.method, one.settings.model_dump(mode="json"), *self._head],
                "sources": [source.identity for source in one.sources],
                "target": problem.target.fingerprint,
                "backbone": [problem.backbone.fingerprint, problem.backbone.pooling, problem.precision],
                "budget": problem.budget.model_dump(mode="json"),
                "seed": problem.seed,
                "retains": self._retains and [task.fingerprint for task in self.plan.source_tasks.values()],
                "processes": processes.count(),
                "versions": versions(),
            }
        )

    @property
    def place(self) -> Mapping[str, Any]:
        """Whose trial it is, and on which problem."""
        problem = self.problem
        return {
            "part": "trial",
            "label": self.contestant.label,
            "target": problem.target.name,
            "shots": problem.shots,
            "seed": problem.seed,
        }

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        problem = self.problem
        return f"{self.contestant.label} · {problem.target.name} · K {problem.shots} · seed {problem.seed}"

    @property
    def pace(self) -> str:
        """Backbone, composition, number of sources, K, and the shape of an optimiser step."""
        one, problem = self.contestant, self.problem
        shape = f"{len(one.sources)} K={problem.shots} {step_shape(problem.budget)}"
        return f"trial {problem.backbone.name} {one.role} {one.method} {shape}"

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the result is there."""
        left = workspace.documents(LEFT, TrialLeft).get(self.key)
        return left is not None and results(workspace).get(left.trial) is not None

    def work(self, site: Site) -> None:
        """Make the model, test it, and write down where the result is."""
        trial = Trial(self.contestant, self.problem, tuple(one.stored_in(site.workspace) for one in self._sources))
        tried(trial, site, self.plan.source_tasks if self._retains else {})
        site.workspace.documents(LEFT, TrialLeft).save(self.key, TrialLeft(trial.key))

    @property
    def _sources(self) -> tuple[Source, ...]:
        return self.contestant.sources

    @property
    def _head(self) -> tuple[str, ...]:
        """How the head begins, where that is not how it began when there was no choice."""
        one = self.contestant
        return (one.head,) if one.role in ("fresh", "full") or one.head != "fitted" else ()

    @property
    def _retains(self) -> bool:
        return self.plan.retains(self.contestant, self.problem)


def pieces(plan: FusionPlan) -> Iterator[Piece]:
    """Yield seed by seed: sources, what is known of them, then the trials.

    The problems of one contestant follow each other, since they share a body.
    """
    for seed in plan.seeds:
        lessons = [SourcePiece(lesson) for (own, _), many in plan.lessons.items() if own == seed for lesson in many]
        yield from lessons
        described = {}
        for family, sources in plan.families(seed).items():
            needs = tuple(piece.key for piece in lessons if piece.lesson.adaptation.method == family)
            described[family] = SourcesPiece(plan, seed, sources, needs)
        yield from described.values()
        for contestant in plan.contestants(seed):
            needs = (described[contestant.family].key,) if contestant.sources else ()
            for problem in plan.problems(seed):
                yield TrialPiece(plan, contestant, problem, needs)
