"""seq-star: the first task warms the body up; then the body is frozen, and each task trains its own classifier alone.

SEQ* of Zheng et al. 2024 (arXiv:2312.07887): sequential learning that changes nothing that earlier tasks are answered
with. A task's loss is that of sequential. Where tasks share one head that grows, its rows for earlier labels stay as
they were to the last bit, and count in the softmax that the new rows are trained under. Where each task has its own
head, nothing is forgotten. Where all tasks have the same labels there is no old classifier, and the one head keeps
learning.

Differences from the authors' program:

- It warms body and first classifier up for a few epochs, and then trains the first classifier by itself for the rest
  of the task. Here all epochs of the first task are the warm-up.
- Its classifier is linear or a cosine one, with a learning rate of its own (1e-3; the body has 1e-5). Here the
  classifier is linear, and has the method's rate, as the body has.
- It can allot rows to labels of future tasks before they come (w/ pre-allocation). A stream here does not know them.
- For generative models it reads features of the frozen model under linear classifiers. Tasks whose answers are
  generated have no head here, and are refused.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import TypeAdapter

from adapter_workbench.experiments.strategies._heads import head_file, head_identity
from adapter_workbench.experiments.strategies._kept_rows import hold, release
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._sketches import are_other, sketches_of
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.task import Task

SKETCHES, HEAD = "sketches", "head"  # in a remedy's state: of the frozen weights; the last layer, which has the labels
BODY_FILE = "body.json"  # the digest of the body, which a state may have dropped
BODY = TypeAdapter(dict[str, str])
NO_HOOKS = Method.hooks  # of a card that declares none


@dataclass(frozen=True)
class FrozenBody(Remedy):
    """Its state is the head's last layer, a sketch of the weights that stay, and how many tasks there were."""

    shares_head: bool  # whether one head answers all tasks, and has rows for the labels of each
    name: ClassVar[str] = "seq-star"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the sketches."""
        return {name: (len(weight),) for name, weight in learner.weights.items()}

    def shapes_of(self, sort: str, learner: Learner) -> dict[str, Shape]:
        """Return those of the head, to which rows may come; or of the sketches."""
        if sort != HEAD:
            return self.shapes(learner)
        return {name: (None, *weight.shape[1:]) for name, weight in _rows_of_labels(learner).items()}

    def objection(self, learner: Learner, state: RemedyState | None) -> str | None:
        """It needs a head, and the weights that the first task left."""
        if not learner.head:
            return "a classifier is trained on frozen weights, and this model has none"
        if state is None:
            return None
        if are_other(learner.weights, state.tensors.get(SKETCHES, {})):
            return "the model does not begin where the training before ended: load the weights that it has left"
        kept, now = state.tensors.get(HEAD, {}), _rows_of_labels(learner)
        if self.shares_head and any(name not in kept or len(kept[name]) > len(weight) for name, weight in now.items()):
            return "the head has fewer rows than the one that was kept: make it with the earlier labels first"
        return None

    def before_optimizer(self, learner: Learner, state: RemedyState | None) -> None:
        """Freeze all but the head; of one that has grown, put in the rows that were kept, and hold them."""
        if state is None or not state.tasks:
            return
        head, rows, kept = learner.head, _rows_of_labels(learner), state.tensors.get(HEAD, {})
        for weight in learner.weights.values():
            weight.requires_grad = False
        if not self.shares_head or not kept or _count(kept) == _count(rows):
            return
        for name, weight in head.items():
            weight.requires_grad = name in rows  # a layer below them answers earlier labels too
        with torch.no_grad():
            for name, weight in rows.items():
                weight[: len(kept[name])] = kept[name].to(weight)
        hold(_last_layer(learner), range(_count(kept)))

    def release(self, learner: Learner) -> None:
        """Leave the head as one layer."""
        if learner.head:
            release(_last_layer(learner))

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Keep the head, and on the first task a sketch of what is frozen from now on."""
        sketches = state.tensors[SKETCHES] if state else sketches_of(learner.weights)
        head = {name: weight.detach().cpu().clone() for name, weight in _rows_of_labels(learner).items()}
        return RemedyState({SKETCHES: sketches, HEAD: head}, tasks=state.tasks + 1 if state else 1)


def _last_layer(learner: Learner) -> nn.Module:
    """Return the layer of the head whose outputs are the labels."""
    return (learner.whole or learner.body).get_submodule(_path_of(learner))


def _path_of(learner: Learner) -> str:
    name = [*learner.head][-1]
    held, _, parametrized = name.partition(".parametrizations.")
    return held if parametrized else name.rpartition(".")[0]


def _rows_of_labels(learner: Learner) -> dict[str, nn.Parameter]:
    """Return the parameters of that layer, each with a row for a label."""
    path = f"{_path_of(learner)}."
    return {name: weight for name, weight in learner.head.items() if name.startswith(path)}


def _count(rows: Mapping[str, Tensor]) -> int:
    return len(next(iter(rows.values())))


class SeqStar(Remedied):
    """Its state is that of sequential, whose body stays that of the first task; and the body's digest."""

    disposable = ("body",)

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """It needs a head to train, and a method that does nothing to the body beside gradient steps."""
        if generated := sorted(set(kinds) & set(GENERATED)):
            return f"tasks of kind {' and '.join(generated)} have no head that could learn on a frozen body"
        card = METHODS.get(method)
        if card.prepare or card.hooks is not NO_HOOKS:
            return f"method {method} changes the body by more than gradient steps, so that it cannot be frozen"
        return super().objection(settings, method, kinds, scenario)

    def remedy(self, settings: Any, strength: float | None) -> FrozenBody:
        """Return the remedy."""
        return FrozenBody(shares_head=True)

    def state_before(self, stage: Stage) -> RemedyState:
        """Return the rows of a shared head that answer earlier labels; where it has no others, none are held."""
        context, head = stage.context, {}
        if context.scenario.shares_head and 0 < context.labels_before < len(stage.task.labels):
            rows = {f"head.{name}": weight for name, weight in stage.own_head.named_parameters()}
            head = {name: weight[: context.labels_before].detach() for name, weight in rows.items()}
        return RemedyState({HEAD: head}, tasks=len(context.tasks) - 1)

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the body as the first task left it."""
        if stage.state.folder:
            shutil.copytree(stage.state.folder / "body", folder, dirs_exist_ok=True)
        else:
            super().save(stage, folder)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Note which body answers: that of the first task, at every stage."""
        before = stage.state.folder
        now = stage.state.document(BODY, BODY_FILE) if before else {"body": digest(folder / "body")}
        (folder / BODY_FILE).write_text(checksummed.text_of(BODY, now), encoding="utf-8")

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The body of the first task, and the head: where that is the task's own, the answers stay."""
        return head_identity(context, head_file(state, task, context), state.document(BODY, BODY_FILE))


STRATEGY = SeqStar()
