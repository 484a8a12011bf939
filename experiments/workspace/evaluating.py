"""Evaluating a model once: what determines an evaluation, and how it is run on a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
from adapter_workbench.workbench.answering.evaluation import Evaluation, evaluate, evaluate_split
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.sampling import test_rows
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_for, pooling_of

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.experiments.workspace import StoredEvaluation, Workspace
    from adapter_workbench.experiments.workspace.evaluations import Evaluations
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget
    from adapter_workbench.workbench.training import Teachable


def evaluation_key(identity: str, task: Task | TaskReference, budget: Budget) -> str:
    """Return the key of an evaluation: of the model, the data, and how much of them is read."""
    return key([identity, task.fingerprint, budget.eval_examples, budget.max_length])


def test_key(adapter: StoredAdapter, task: Task, backbone: Backbone, budget: Budget) -> str:
    """Return the key of a stored adapter's evaluation on a task with the same labels in any order."""
    identity, posed = adapter.identity, task.pose(adapter.manifest.task)
    if adapter.manifest.head is None and (pooling := pooling_of(adapter.manifest, backbone)) != backbone.pooling:
        identity = key([identity, pooling])  # such adapters were evaluated with the pooling of the backbone before
    return evaluation_key(key([identity, posed]) if posed else identity, task, budget)


def majority_score(task: Task, budget: Budget) -> float:
    """Return M[j]: the test score of a model that always gives the most frequent answer of the training split."""
    return KINDS.get(task.kind).majority(task.splits["train"], test_rows(task, budget))


def evaluate_model(model: TaskModel, task: Task, backbone: Backbone, budget: Budget) -> Evaluation:
    """Evaluate ``model`` on the examples of the test split of ``task`` that ``budget`` allows."""
    return evaluate(model, test_rows(task, budget), len(task.labels), backbone.tokenizer, budget.max_length)


def validation_score(model: TaskModel, task: Task, backbone: Backbone, budget: Budget) -> float:
    """Return the main score of ``model`` on the whole validation split of ``task``, which was drawn already."""
    return evaluate_split(model, task, "validation", backbone, budget.max_length).scores[model.kind.metric]


def evaluate_stored(
    workspace: Workspace, adapter: StoredAdapter, task: Task, backbone: Backbone, budget: Budget
) -> StoredEvaluation:
    """Return the evaluation of a stored adapter on the test split of ``task``; it is run once in a workspace."""
    where = test_key(adapter, task, backbone, budget)
    stored = workspace.evaluations.get(where)
    if stored is not None:
        return stored
    model = open_for(adapter, backbone, task)
    return workspace.evaluations.save(where, evaluate_model(model, task, backbone, budget))


def answered(stored: StoredAdapter, task: Task, split: str, known: Evaluations) -> pd.DataFrame:
    """Return what a stored adapter answers to a split of ``task``: the outcomes in the order of its rows.

    It is asked once in a workspace: ``known`` has its answers to these rows, or those of :func:`evaluate_stored`, where
    these are answers to the same test rows.

    Raises:
        InputError: its backbone is not where it was, or is another one.
        AnswerError: an answer is not a number.
    """
    budget, ids = stored.manifest.budget, list(task.splits[split]["id"][:])
    where = key(["answered", stored.identity, task.fingerprint, list(task.labels), budget.max_length, split, ids])
    if (outcomes := known.answers(where)) is not None:
        return outcomes
    backbone = backbone_of(stored)
    tested = known.answers(test_key(stored, task, backbone, budget)) if split == "test" else None
    if tested is not None and tested["id"].tolist() == ids:
        return tested
    evaluation = evaluate_split(open_for(stored, backbone, task), task, split, backbone, budget.max_length)
    known.keep(where, evaluation)
    return evaluation.outcomes


def fit_and_evaluate(workspace: Workspace, lesson: Teachable, listener: Listener, label: str) -> FittedAdapter:
    """Train and evaluate a lesson's adapter, or read both from the workspace.

    ``listener`` hears of the fit under ``label``.

    Raises:
        TrainingError: the fit failed; nothing was stored.
    """
    return fitted_adapter(workspace, lesson, workspace.trained_adapter(lesson, listener, label))


def fitted_adapter(workspace: Workspace, lesson: Teachable, adapter: StoredAdapter) -> FittedAdapter:
    """Return the result of a lesson's adapter, which is in the store; it is evaluated if it was not before."""
    evaluation = evaluate_stored(workspace, adapter, lesson.task, lesson.adaptation.backbone, lesson.budget)
    fit = adapter.manifest.own_fit
    return FittedAdapter(
        adapter=adapter.id,
        evaluation=evaluation_key(adapter.identity, lesson.task, lesson.budget),
        learning_rate=lesson.adaptation.settings.learning_rate,
        score=evaluation.scores[KINDS.get(lesson.task.kind).metric],
        validation=fit.validated,
        seconds=fit.seconds,
        steps=fit.steps,
        train_examples=fit.train_examples,
        peak_memory_mb=fit.peak_memory_mb,
        trainable_parameters=fit.trainable_parameters,
        stored_bytes=adapter.bytes,
        spent=fit.spent,
    )


def known_evaluation(workspace: Workspace, adapter: StoredAdapter) -> StoredEvaluation | None:
    """Return the evaluation of a stored adapter on the test split of its own task; None if it was not run yet."""
    where = known_evaluation_key(workspace, adapter)
    return None if where is None else workspace.evaluations.get(where)


def known_evaluation_key(workspace: Workspace, adapter: StoredAdapter) -> str | None:
    """Return the key of the evaluation of a stored adapter on its own task, whether or not it was run.

    The data of an imported adapter may differ here: the key is that of its last evaluation, None without one.
    """
    manifest = adapter.manifest
    measured = None if manifest.imported is None else workspace.measured_scores.get(manifest.id)
    if measured is not None and measured.identity == manifest.identity and measured.test:
        return measured.test
    return evaluation_key(adapter.identity, manifest.task, manifest.budget) if manifest.task.fingerprint else None
