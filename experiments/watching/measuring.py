"""The model in training, asked about a task: by its own head, by one fitted on its features, or in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from adapter_workbench.experiments.answers.label_order import different, listed
from adapter_workbench.workbench.answering.elsewhere.label_names import NUMBERED
from adapter_workbench.workbench.answering.evaluation import Evaluation, evaluate, features
from adapter_workbench.workbench.answering.live_model import LATER, LiveModel, LiveParts, OwnHead, own_output
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.settings.base import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.experiments.studies.watched.record import How
    from adapter_workbench.workbench.methods.task import Task

FITTED = "classification"  # the kind whose head is fitted in closed form
WRITTEN = "causal-lm"  # the kind that a language model answers in its own words


@dataclass(frozen=True)
class Size:
    """How much is read of each task."""

    rows: int  # test examples
    head_rows: int  # training examples on which a head is fitted, and half as many of validation
    max_length: int  # tokens of a text

    def drawn(self, task: Task) -> Task:
        """Return ``task`` with the rows that are read: the same ones in every training."""
        validation = max(2, self.head_rows // 2)
        budget = Budget(train_examples=self.head_rows, validation_examples=validation, eval_examples=self.rows)
        return draw(task, budget, seed=0)


@dataclass(frozen=True)
class WatchedTask:
    """A task, and what answers it."""

    task: Task  # with the rows that are read
    how: How  # what answers
    columns: tuple[int, ...] = ()  # for the model's own head: which of its logits belongs to each label

    @property
    def majority(self) -> float:
        """M[j], the score of always giving the most frequent answer."""
        return KINDS.get(self.task.kind).majority(self.task.splits["train"], self.task.splits["test"])


def answered(tasks: Sequence[Task], parts: LiveParts, own: str | None, size: Size) -> list[WatchedTask]:
    """Return what answers each task.

    Args:
        tasks: whole.
        parts: of the model.
        own: name of the task that the model's own head answers; None: the only one with the labels that the head names,
            and none where there are several.
        size: how much is read.

    Raises:
        InputError: a task cannot be measured on this model, or ``own`` names one that the head cannot answer.
    """
    names = parts.labels()
    alike = [task.name for task in tasks if task.kind == FITTED and sorted(names) == sorted(task.labels)]
    chosen = own or (alike[0] if len(alike) == 1 else None)
    return [_answered(task, parts, names, task.name == chosen, size) for task in tasks]


def _answered(task: Task, parts: LiveParts, names: tuple[str, ...], is_own: bool, size: Size) -> WatchedTask:
    if task.kind == WRITTEN:
        if task.max_new_tokens and task.max_new_tokens >= size.max_length:
            message = f"max_length {size.max_length} leaves no token for a prompt before {task.max_new_tokens} new ones"
            raise InputError(message, where=task.name, hint=f"Give max_length={task.max_new_tokens + 96} or more.")
        own_output(parts)
        return WatchedTask(size.drawn(task), "generated answers")
    if task.kind != FITTED:
        message = f"{task.kind} tasks are not measured in training"
        raise InputError(message, where=task.name, hint=f"Name {FITTED} or {WRITTEN} tasks. {LATER}")
    if is_own:
        return WatchedTask(size.drawn(task), "own head", _columns(names, task))
    return WatchedTask(size.drawn(task), "fitted head")


def _columns(names: tuple[str, ...], task: Task) -> tuple[int, ...]:
    """Return which logit of the model belongs to each label of the task: by name; by number where nobody named any."""
    if len(names) != len(task.labels):
        message = f"the model's head has {len(names) or 'no'} labels, {task.name} has {len(task.labels)}"
        raise InputError(message, where="own", hint="Name the task that the model is trained on, or leave it out.")
    if all(map(NUMBERED.fullmatch, names)):
        return tuple(range(len(names)))
    if difference := different(names, task.labels, "in the model"):
        message = f"the labels of the model ({listed(names)}) are not those of {task.name} ({listed(task.labels)})"
        hint = "Name them in id2label of its config as the task does, or leave own out: then a head is fitted."
        raise InputError(f"{message}; {difference}", where="own", hint=hint)
    return tuple(names.index(label) for label in task.labels)


def measure(watched: WatchedTask, parts: LiveParts, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Evaluation:
    """Return how the model answers the test rows of a task; the model has to be in evaluation mode.

    Raises:
        WorkbenchError: an answer is not a number.
    """
    task = watched.task
    model = _model(watched, parts, tokenizer, max_length)
    return evaluate(model, task.splits["test"], len(task.labels), tokenizer, max_length)


def _model(watched: WatchedTask, parts: LiveParts, tokenizer: PreTrainedTokenizerBase, max_length: int) -> LiveModel:
    kind = KINDS.get(watched.task.kind)
    if watched.how == "own head":
        return OwnHead(parts, kind, watched.columns).eval()
    if watched.how == "generated answers":
        return LiveModel(parts, own_output(parts), kind).eval()
    from adapter_workbench.fusion.target.fitted_head import fit_head

    model: Any = LiveModel(parts, nn.Identity(), kind).eval()
    splits = [watched.task.splits[name] for name in ("train", "validation")]
    seen, unseen = ((features(model, rows, tokenizer, max_length), rows["label"][:]) for rows in splits)
    head = fit_head(*seen, *unseen, len(watched.task.labels)).head
    model.head = head.to(next(parts.body.parameters()).device)
    return model.eval()  # type: ignore[no-any-return]
