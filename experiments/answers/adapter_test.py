"""An adapter measured here: on the validation and test examples of its task, as this machine has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.label_order import require_same_answers
from adapter_workbench.experiments.workspace.folder import MeasuredScore
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.name_resolution import adapter_for_task, readable
from adapter_workbench.workbench.adapters.validation_scores import examples_of, measure_of
from adapter_workbench.workbench.errors import InputError, UnknownNameError
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


@dataclass(frozen=True)
class TestedAdapter:
    """What an adapter scores here."""

    adapter: str  # its id
    task: str  # whose examples it answered
    metric: str  # the task's main metric
    validation: float  # its score on the validation examples
    examples: str  # which these are, in words
    test: tuple[tuple[str, float], ...]  # every score on the test examples, with its name
    test_examples: int  # how many these are
    senders: float | None  # the validation score that an imported adapter came with; None for one that was made here
    counts: bool  # whether ``validation`` is what the adapter counts by from now on
    may_have_seen: bool  # whether it may have been trained on these examples: another program trained it

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench adapters test --json``."""
        return {
            "adapter": self.adapter,
            "task": self.task,
            "metrics": {
                f"validation_{self.metric}": self.validation,
                **{f"test_{name}": value for name, value in self.test},
            },
            "examples": {"validation": self.examples, "test": self.test_examples},
            "sender_validation": self.senders,
            "counts": self.counts,
            "may_have_seen": self.may_have_seen,
        }


def tested_here(
    workspace: Workspace, adapter: str, task: str | None, backbone: str | None, task_folders: Sequence[Path]
) -> TestedAdapter:
    """Return what the adapter with this id scores; see :meth:`Exchange.test`."""
    stored = workspace.adapters.verify(adapter)
    manifest, name = stored.manifest, task or stored.manifest.task.name
    try:
        whole = registry.load(registry.find(name, task_folders))
    except UnknownNameError as error:
        hint = f"{error.hint} --task names the one here whose examples the adapter is to answer."
        raise InputError(error.what, where=error.where, hint=hint) from None
    require_same_answers(manifest.task, whole, where=name)
    from adapter_workbench.experiments.workspace.evaluating import (  # torch comes with it; mistakes need none
        evaluate_stored,
        test_key,
    )
    from adapter_workbench.workbench.answering.evaluation import evaluate_split
    from adapter_workbench.workbench.methods.stored_model import backbone_of, open_for

    budget, seed = _draw_of_others(workspace, manifest, whole)
    budget = budget.model_copy(update={"max_length": manifest.budget.max_length})
    drawn, opened = draw(whole, budget, seed), backbone_of(stored, backbone)
    model = open_for(stored, opened, whole)
    evaluation = evaluate_split(model, drawn, "validation", opened, budget.max_length)
    metric, count = model.kind.metric, len(evaluation.outcomes)
    examples = examples_of(name, whole.fingerprint, count, seed if budget.validation_examples else None)
    counts = manifest.imported is not None and name == manifest.task.name
    test = evaluate_stored(workspace, stored, whole, opened, budget)
    if counts:
        score = MeasuredScore(
            identity=manifest.identity,
            validation=evaluation.scores[metric],
            measure=measure_of(whole.fingerprint, f"validation_{metric}", budget, seed, count),
            examples=examples,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            test=test_key(stored, whole, opened, budget),
        )
        workspace.measured_scores.save(stored.id, score)
    return TestedAdapter(
        adapter=stored.id,
        task=name,
        metric=metric,
        validation=evaluation.scores[metric],
        examples=examples,
        test=tuple(test.scores.items()),
        test_examples=test.examples,
        senders=None if manifest.imported is None or manifest.fit is None else manifest.fit.validation,
        counts=counts,
        may_have_seen=manifest.elsewhere is not None,
    )


def _draw_of_others(workspace: Workspace, manifest: Manifest, task: Task) -> tuple[Budget, int]:
    """Return the budget and seed of the adapter that answers for the task now, where that was scored on these data.

    So the scores of both are of the same examples. The adapter's own are taken where it was trained here, or where
    there is no other.
    """
    if manifest.imported is None:
        return manifest.budget, manifest.seed_here
    others = workspace.origins.in_service(
        other
        for other in readable(workspace.adapters)
        if other.imported is None and other.task.name == task.name and other.task.fingerprint == task.fingerprint
    )
    if not others:
        return manifest.budget, manifest.seed_here
    answering = adapter_for_task(task.name, others, workspace.champions.current(), workspace.score).id
    reference = next(other for other in others if other.id == answering)
    return reference.budget, reference.seed_here
