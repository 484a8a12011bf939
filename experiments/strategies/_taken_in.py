"""An adapter that another program wrote, taken into the state of a stage in the form that is opened here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.task_reference import unknown_task
from adapter_workbench.experiments.strategies._ways import FITTABLE
from adapter_workbench.fusion.target.target import head_fitted_on
from adapter_workbench.workbench.adapters.manifest import FittedHead
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
from adapter_workbench.workbench.answering.elsewhere.taking_in import ImportDetails, take_in
from adapter_workbench.workbench.answering.elsewhere.whole_model import SentModel
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.strategies import Context
    from adapter_workbench.experiments.strategies._checkpoint import Checkpoint
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

ADAPTER, CALLED = "adapter", "given"


def take_in_given(checkpoint: Checkpoint, context: Context, state: Path) -> None:
    """Write the adapter of another program's folder into a state; its answers are those of its own program.

    Of a whole model the head is written alone, and its weights stay where they are.

    Raises:
        InputError: the files do not fit the backbone, or the sender's answers cannot be repeated.
    """
    sent = read_folder(checkpoint.folder)
    if isinstance(sent, SentModel):
        sent = replace(sent, link=True)
        itself = replace(sent.itself, pooling=context.adaptation.backbone.pooling)
        options = replace(_options(sent, checkpoint, context), backbone=itself)
    else:
        options = _options(sent, checkpoint, context) if sent.kinds else _headless(checkpoint, context)
    take_in(sent, options, AdapterStore(state / ADAPTER))


def taken_in(state: Path) -> StoredAdapter:
    """Return the adapter that was taken into a state."""
    store = AdapterStore(state / ADAPTER)
    return store.get(store.ids()[0])


def _options(sent: SentFolder, checkpoint: Checkpoint, context: Context) -> ImportDetails:
    """Return how an adapter with a head, or of a language model, is taken in.

    Its labels are those of a task that it answers under its own head, else as its folder calls them.
    """
    backbone, ways = context.adaptation.backbone, context.given.ways if context.given else {}
    for task in context.tasks:
        if task.name in checkpoint.heads and ways[task.name] == "own head":
            return _meaning(context, task.kind, checkpoint.heads[task.name])
    kind = sent.kinds[0]
    outputs = sent.outputs(backbone, kind)
    numbered = tuple(f"LABEL_{number}" for number in range(outputs or 0))
    return _meaning(context, kind, (sent.labels or numbered) if outputs else ())


def _headless(checkpoint: Checkpoint, context: Context) -> ImportDetails:
    """Return how an adapter without a head is taken in; it needs one, and is given that of the first task."""
    for task in context.drawn:
        if task.kind in GENERATED:
            return _meaning(context, task.kind, ())
        if task.kind == FITTABLE:
            return _meaning(context, task.kind, task.labels, _fit(task, context), task.fingerprint)
    hint = f"Name a {FITTABLE} task, or an adapter that was saved with its head."
    raise InputError("there is no head in this folder, and for no task one is fitted", where=checkpoint.name, hint=hint)


def _meaning(
    context: Context, kind: str, labels: tuple[str, ...], fit: Any = None, examples: str = ""
) -> ImportDetails:
    reference = unknown_task(CALLED, kind, labels)
    length = context.budget.max_length
    return ImportDetails(context.adaptation.backbone, reference, labels, length, CALLED, fit, examples)


def _fit(task: Task, context: Context) -> Callable[[TaskModel, int], tuple[nn.Linear, FittedHead]]:
    def fit(model: TaskModel, max_length: int) -> tuple[nn.Linear, FittedHead]:
        fitted = head_fitted_on(task, model, context.adaptation.backbone, max_length)
        return fitted.head, FittedHead(
            task=task.name,
            fingerprint=task.fingerprint,
            origin=task.origin,
            examples=len(task.splits["train"]),
            inverse_regularisation=fitted.inverse_regularisation,
            validation=fitted.validation,
        )

    return fit
