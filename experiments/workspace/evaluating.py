"""Testing a model once: what determines an evaluation, and how it is run on a budget's test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.workspace.fitted_adapter import FittedAdapter
from workbench.answering.evaluation import Evaluation, evaluate, evaluate_split
from workbench.files.digest import key
from workbench.methods.kinds import KINDS
from workbench.methods.sampling import test_rows
from workbench.methods.stored_model import open_for

if TYPE_CHECKING:
    from experiments.workspace import StoredEvaluation, Workspace
    from workbench.adapters.manifest import TaskReference
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.backbone.pretrained import Backbone
    from workbench.machine.listener import Listener
    from workbench.methods.model import TaskModel
    from workbench.methods.task import Task
    from workbench.settings.base import Budget
    from workbench.training import Lesson


def evaluation_key(identity: str, task: Task | TaskReference, budget: Budget) -> str:
    """Return the key of a test: what determines the model, the data, and how much of them is read."""
    return key([identity, task.fingerprint, budget.eval_examples, budget.max_length])


def test_key(adapter: StoredAdapter, task: Task, budget: Budget) -> str:
    """Return the key of a stored adapter's test on a task that has its labels, in whatever order."""
    posed = task.pose(adapter.manifest.task)
    return evaluation_key(key([adapter.identity, posed]) if posed else adapter.identity, task, budget)


def majority_score(task: Task, budget: Budget) -> float:
    """Return M[j]: the test score of always giving the training split's most frequent answer."""
    return KINDS.get(task.kind).majority(task.splits["train"], test_rows(task, budget))


def evaluate_model(model: TaskModel, task: Task, backbone: Backbone, budget: Budget) -> Evaluation:
    """Run ``model`` over the test split of ``task``, as far as ``budget`` allows."""
    return evaluate(model, test_rows(task, budget), len(task.labels), backbone.tokenizer, budget.max_length)


def validation_score(model: TaskModel, task: Task, backbone: Backbone, budget: Budget) -> float:
    """Return the main score of ``model`` on the validation split of ``task``, which is drawn already: all of it."""
    return evaluate_split(model, task, "validation", backbone, budget.max_length).scores[model.kind.metric]


def evaluate_stored(
    workspace: Workspace, adapter: StoredAdapter, task: Task, backbone: Backbone, budget: Budget
) -> StoredEvaluation:
    """Return how a stored adapter does on the test split of ``task``; what the workspace knows is not run again."""
    where = test_key(adapter, task, budget)
    stored = workspace.evaluations.get(where)
    if stored is not None:
        return stored
    model = open_for(adapter, backbone, task)
    return workspace.evaluations.save(where, evaluate_model(model, task, backbone, budget))


def fit_and_evaluate(workspace: Workspace, lesson: Lesson, listener: Listener, label: str) -> FittedAdapter:
    """Return what becomes of a lesson's adapter: trained and tested, or taken from the workspace.

    ``listener`` hears of the fit under ``label``.

    Raises:
        TrainingError: the fit failed; nothing was stored.
    """
    return fitted_adapter(workspace, lesson, workspace.trained_adapter(lesson, listener, label))


def fitted_adapter(workspace: Workspace, lesson: Lesson, adapter: StoredAdapter) -> FittedAdapter:
    """Return what became of a lesson's adapter, which is in the store; it is tested if it was not tested before."""
    evaluation = evaluate_stored(workspace, adapter, lesson.task, lesson.adaptation.backbone, lesson.budget)
    fit = adapter.manifest.own_fit
    return FittedAdapter(
        adapter=adapter.id,
        evaluation=evaluation_key(adapter.identity, lesson.task, lesson.budget),
        learning_rate=lesson.adaptation.settings.learning_rate,
        score=evaluation.scores[KINDS.get(lesson.task.kind).metric],
        validation=fit.validation,
        seconds=fit.seconds,
        steps=fit.steps,
        peak_memory_mb=fit.peak_memory_mb,
        trainable_parameters=fit.trainable_parameters,
        stored_bytes=adapter.bytes,
        spent=fit.spent,
    )


def known_evaluation(workspace: Workspace, adapter: StoredAdapter) -> StoredEvaluation | None:
    """Return how a stored adapter did on the test split of its own task; None where it was not tested yet."""
    where = known_evaluation_key(workspace, adapter)
    return None if where is None else workspace.evaluations.get(where)


def known_evaluation_key(workspace: Workspace, adapter: StoredAdapter) -> str | None:
    """Return where the evaluation of a stored adapter on its own task is, or would be.

    The data of one from elsewhere may be others here: it is where the adapter was tested last; None where it was not.
    """
    manifest = adapter.manifest
    measured = None if manifest.imported is None else workspace.measured_scores.get(manifest.id)
    if measured is not None and measured.identity == manifest.identity and measured.test:
        return measured.test
    return evaluation_key(adapter.identity, manifest.task, manifest.budget) if manifest.task.fingerprint else None
