"""The task that an adapter from elsewhere answers: one that is here, or one of its own that its folder's name names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.label_order import listed
from adapter_workbench.tasks.task_file.task_file import LONGEST_NAME
from adapter_workbench.workbench.adapters.manifest import TaskReference
from adapter_workbench.workbench.backbone.prompts import NEW_TOKENS
from adapter_workbench.workbench.errors import InputError, UnknownNameError, WorkbenchError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.experiments.answers.known_here import KnownHere
    from adapter_workbench.workbench.methods.task import Task

ORIGIN = "unknown: trained elsewhere"
SCALE = (0.0, 1.0)  # of numbers: they are the sender's as they are


def reference_to(task: Task) -> TaskReference:
    """Return the manifest's part about a task that is here; which of its examples were trained on is not known."""
    return TaskReference(
        name=task.name,
        kind=task.kind,
        labels=task.labels,
        fingerprint=None,
        origin=ORIGIN,
        pair=task.pair,
        metric=task.metric,
        max_new_tokens=task.max_new_tokens,
        scale=SCALE if task.kind == "regression" else None,
    )


def draft_reference(kind: str, order: tuple[str, ...], called: str, source: Source, here: KnownHere) -> TaskReference:
    """Return a task of the adapter's own, or the one here that has its name, kind and labels.

    Args:
        kind: of task.
        order: the labels in the order of the adapter's numbers.
        called: what its folder is called.
        source: the folder and what is said of it.
        here: what is known here.

    Raises:
        InputError: there is a task or an adapter of that name with another kind or other labels.
    """
    name = task_name(source.options.name or called)
    if (task := _task_here(name, source, here)) is not None:
        _require_same(name, kind, order, task, source, "task")
        return reference_to(task)
    reference = unknown_task(name, kind, order)
    for other in (manifest.task for manifest in here.manifests if manifest.task.name == name):
        _require_same(name, kind, order, other, source, "adapter for a task")
        return reference.model_copy(update={"labels": other.labels})
    return reference


def unknown_task(name: str, kind: str, labels: tuple[str, ...]) -> TaskReference:
    """Return the manifest's part about a task that is not here: its numbers are the sender's as they are."""
    return TaskReference(
        name=name,
        kind=kind,
        labels=labels,
        fingerprint=None,
        origin=ORIGIN,
        max_new_tokens=NEW_TOKENS if kind in GENERATED else None,
        scale=SCALE if kind == "regression" else None,
    )


def task_name(text: str) -> str:
    """Return a name that a task can have, like ``text``: ``bert-base_SST2`` → ``bert-base-sst2``."""
    name = "-".join(re.findall("[a-z0-9]+", text.lower()))[:LONGEST_NAME].strip("-")
    return name or "elsewhere"


def _task_here(name: str, source: Source, here: KnownHere) -> Task | None:
    """Return the task of that name with its labels; None where there is none. A file with code in it is not run."""
    try:
        spec = here.find(name)
    except UnknownNameError:
        return None
    except InputError as error:
        raise _refusal(name, error.what, source) from None
    if spec.source == "python":
        raise _refusal(name, f"there is a task called {name!r}, whose labels only its code tells", source)
    try:
        return here.task(name)
    except WorkbenchError as error:
        message = f"there is a task called {name!r}, and its labels are not to be had: {error.what}"
        raise _refusal(name, message, source) from None


def _require_same(
    name: str, kind: str, order: tuple[str, ...], other: Task | TaskReference, source: Source, noun: str
) -> None:
    if other.kind != kind:
        raise _refusal(
            name, f"there is a{'n' * (noun[0] == 'a')} {noun} called {name!r}, which is {other.kind}", source
        )
    if set(other.labels) != set(order):
        message = f"there is a{'n' * (noun[0] == 'a')} {noun} called {name!r} with other labels: {listed(other.labels)}"
        raise _refusal(name, message, source)


def _refusal(name: str, message: str, source: Source) -> InputError:
    hint = f"If the adapter answers that: --task {name}. If not, --name gives the adapter and its task another name."
    return InputError(message, where=source.name, hint=hint)
