"""The labels of an adapter from elsewhere in the order of its numbers: as its folder or a person names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from adapter_workbench.workbench.answering.elsewhere.label_names import named_labels
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task

MOST_NAMED = 6  # labels that a message lists
IN_ORDER = "Name them in the order of its numbers"


def label_order(sent: SentFolder, backbone: Backbone, source: Source, kind: str, task: Task | None) -> tuple[str, ...]:
    """Return the labels in the order of the logits; none where answers are texts or numbers.

    Args:
        sent: what lies in the folder.
        backbone: the base model.
        source: the folder and what is said of it.
        kind: of task.
        task: that the adapter answers; None where nobody has named one.

    Raises:
        InputError: nobody names the labels, or those are another number than the head has.
    """
    outputs = sent.outputs(backbone, kind)
    if outputs is None or kind == "regression":
        return ()
    named = source.options.labels
    order = named or named_labels(sent, backbone, kind)
    example = _example(outputs)
    if order is None:
        like = f" The labels of {task.name} are: {listed(task.labels)}." if task else ""
        numbered = f" (they are called {listed(sent.labels)})" if sent.labels else ""
        message = f"this folder does not name its {outputs} labels{numbered}"
        unnamed = " Or let their order be found on its validation rows: --labels auto." if task else ""
        raise InputError(message, where=source.name, hint=f"{IN_ORDER}: {example}.{like}{unnamed}")
    where = source.at("labels") if named else source.name
    if len(order) != outputs:
        message = f"its head has {outputs} labels, and {len(order)} are named: {listed(order)}"
        hint = "One with a comma in it stands in double quotes: --labels '\"one, two\",three'." if named else None
        raise InputError(message, where=where, hint=hint)
    if len(set(order)) != len(order):
        raise InputError("two labels have the same name", where=where, hint=f"{IN_ORDER}: {example}")
    return order


def refuse_others(order: tuple[str, ...], task: Task, source: Source, version: int | None) -> NoReturn:
    """Raise InputError: the labels are not those of a task, but perhaps those of its ``version`` before."""
    where = source.at("labels" if source.options.labels else "task")
    hint = f"{IN_ORDER}, called as the task calls them ({listed(task.labels)}): {_example(len(order))}"
    if version is not None:
        since = "labels were added, merged, split or retired since"
        hint = f"They are those of {task.name}@{version}; {since}. For that version: --task {task.name}@{version}"
    raise InputError(
        f"the labels are not those of {task.name}; {different(order, task.labels)}", where=where, hint=hint
    )


def _example(outputs: int) -> str:
    return f"--labels {','.join(['NAME'] * min(outputs, 3))}{',…' * (outputs > 3)}"


def different(named: Sequence[str], task: Sequence[str], whose: str = "in the adapter") -> str:
    """Return which labels only those that are ``named`` have, and which only the task's; empty where they are equal."""
    unknown = [label for label in named if label not in {*task}]
    missing = [label for label in task if label not in {*named}]
    parts = (("unknown to the task", unknown), (f"missing {whose}", missing))
    return "; ".join(f"{what}: {listed(labels)}" for what, labels in parts if labels)


def listed(names: Sequence[str]) -> str:
    """Return the first of many names with commas, and how many there are more."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


# Whether an adapter's answers can be right or wrong for the examples of a task.


def require_same_answers(own: TaskReference, task: Task, where: str = "--task") -> None:
    """Make sure that an adapter answers what ``task`` asks; its labels may be in another order there.

    Args:
        own: what the adapter answers.
        task: that it is to be asked.
        where: what names the task, for messages.

    Raises:
        InputError: another kind of task, pairs where there are single texts, or other labels; these are named.
    """
    for what, theirs, here in (("kind", own.kind, task.kind), ("pairs of texts", own.pair, task.pair)):
        if theirs != here:
            message = f"{what} of the adapter: {_in_words(theirs)}; of {task.name}: {_in_words(here)}"
            raise InputError(message, where=where, hint="--task names a task of the same kind with the same labels.")
    if differ := different(own.labels, task.labels):
        hint = "--task names a task with the same labels, in any order."
        raise InputError(f"the labels are not those of {task.name}; {differ}", where=where, hint=hint)


def _in_words(value: str | bool) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
