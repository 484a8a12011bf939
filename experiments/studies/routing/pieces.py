"""The pieces of a comparison of routers: each task's adapter, joint models, then routers among the adapters."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.answers.routed import known_state
from experiments.engine.document_piece import DocumentPiece
from experiments.engine.forecast import lesson_effort, step_shape
from experiments.engine.study import Effort
from experiments.studies.routing.joint import joint_outcome
from experiments.studies.routing.record import JOINT, LEFT, ROUTER, ContenderLeft
from experiments.studies.routing.routed import routed
from experiments.workspace.evaluating import fitted
from experiments.workspace.fitted_adapter import FITTED, FittedAdapter
from fusion.route import part_key, reader_for
from workbench import processes
from workbench.digest import key
from workbench.package_versions import versions
from workbench.sampling import draw
from workbench.training import teach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from experiments.engine.study import Piece, Site
    from experiments.studies.routing.plan import RoutingPlan
    from experiments.workspace import Workspace
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task
    from workbench.training import Lesson


@dataclass(frozen=True)
class AdapterPiece(DocumentPiece[FittedAdapter]):
    """A task's own adapter, trained and tested where the task is known."""

    lesson: Lesson
    leaves = FITTED

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself."""
        return key(["routed adapter", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """Whose adapter it is."""
        return {"part": "adapter", "task": self.lesson.task.name, "seed": self.lesson.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.lesson.task.name} · {self.lesson.adaptation.method} · seed {self.lesson.seed}"

    @property
    def effort(self) -> Effort:
        """That of the lesson."""
        return lesson_effort(self.lesson)

    def is_whole(self, left: FittedAdapter, workspace: Workspace) -> bool:
        """Return whether the adapter is there, with its answers to the test split."""
        return left.is_there(workspace)

    def result(self, site: Site) -> FittedAdapter:
        """Train it, and test it."""
        return fitted(site.workspace, self.lesson, site.listener, self.label)


@dataclass(frozen=True)
class JointPiece(DocumentPiece[ContenderLeft]):
    """One model that learns all tasks together, trained and tested; what it says is kept, the model is not."""

    name: str
    lesson: Lesson
    tasks: tuple[Task, ...]
    leaves = LEFT

    @cached_property
    def key(self) -> str:
        """The lesson's, apart from the claim on the lesson itself; its task is made of all tasks, in order."""
        return key(["joint", self.lesson.key])

    @property
    def place(self) -> Mapping[str, Any]:
        """Which model it is."""
        return {"part": JOINT, "label": self.name, "seed": self.lesson.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.name} · seed {self.lesson.seed}"

    @property
    def effort(self) -> Effort:
        """That of the lesson."""
        return lesson_effort(self.lesson)

    def result(self, site: Site) -> ContenderLeft:
        """Train it, and return what it says to the test splits: among stored adapters a router would find it."""
        lesson, scratch = self.lesson, site.workspace.scratch(self.key)
        model, fit = teach(lesson, site.listener, self.label, scratch)
        outcome = joint_outcome(model, lesson.task, self.tasks, lesson.adaptation.backbone, lesson.budget)
        shutil.rmtree(scratch, ignore_errors=True)
        return ContenderLeft(outcome, fit.seconds, None)


@dataclass(frozen=True)
class RouterPiece(DocumentPiece[ContenderLeft]):
    """One router among the adapters of one seed, which it ``needs``; it is timed."""

    plan: RoutingPlan
    name: str
    seed: int
    needs: tuple[str, ...]
    alone = True
    leaves = LEFT

    @cached_property
    def key(self) -> str:
        """The router, its settings, and the adapters in the order of the tasks."""
        router, settings = self.plan.routers[self.name]
        shared = [processes.count(), versions()]
        return key(["router", router, settings.model_dump(mode="json"), self.needs, *shared])

    @property
    def place(self) -> Mapping[str, Any]:
        """Which router it is."""
        return {"part": ROUTER, "label": self.name, "seed": self.seed}

    @property
    def label(self) -> str:
        """What to call it on a screen."""
        return f"{self.name} · seed {self.seed}"

    @property
    def effort(self) -> Effort:
        """As much as for other routers of its kind among as many adapters, on texts as long."""
        plan = self.plan
        shape = f"{len(self.needs)} {step_shape(plan.recipe.budget)}"
        return Effort(f"router {plan.backbone.name} {plan.routers[self.name][0]} {shape}")

    def result(self, site: Site) -> ContenderLeft:
        """Let it learn of the adapters, and send it every test text."""
        workspace, plan = site.workspace, self.plan
        router, settings = plan.routers[self.name]
        documents = FITTED.documents(workspace)
        left = [documents.require(need) for need in self.needs]
        adapters = [workspace.adapters.get(each.adapter) for each in left]
        own = [_right_answers(workspace, each) for each in left]
        by_adapter = {adapter.id: task for adapter, task in zip(adapters, plan.tasks, strict=True)}

        def task_of(adapter: StoredAdapter) -> Task:
            return draw(by_adapter[adapter.id], plan.recipe.budget, self.seed)

        reader = reader_for(adapters, plan.backbone)
        folders = [workspace.router(part_key(router, settings, adapter, reader)) for adapter in adapters]
        known = any(folder.is_dir() for folder in folders)
        began = time.perf_counter()
        state = known_state(router, settings, adapters, plan.backbone, workspace.router, task_of, site.listener)
        learned = time.perf_counter()
        outcome = routed(state, plan.tasks, own, plan.recipe.budget)
        texts = sum(map(len, outcome.correct))
        milliseconds = (time.perf_counter() - learned) / texts * 1000
        return ContenderLeft(outcome, None if known else learned - began, milliseconds)


def _right_answers(workspace: Workspace, left: FittedAdapter) -> NDArray[Any]:
    """Return for each test text of an adapter's task whether it answers rightly (n,), in the split's order."""
    answers = pd.read_parquet(workspace.evaluations.known_outcomes(left.evaluation), columns=["correct"])
    right: NDArray[Any] = answers["correct"].to_numpy(dtype=bool)
    return right


def pieces(plan: RoutingPlan) -> Iterator[Piece]:
    """Yield seed by seed: the adapters, joint models, and the routers that need the adapters."""
    for seed in plan.recipe.seeds:
        adapters = [AdapterPiece(plan.lesson(task, seed)) for task in plan.tasks]
        yield from adapters
        for label, lesson in plan.joint_lessons(seed).items():
            yield JointPiece(label, lesson, plan.tasks)
        for label in plan.routers:
            yield RouterPiece(plan, label, seed, tuple(adapter.key for adapter in adapters))
