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
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from adapter_workbench.experiments.strategies._heads import head_file, head_identity
from adapter_workbench.experiments.strategies._kept_rows import hold, release
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

BODY_FILE = "body.json"  # the digest of the body, which a state may have dropped
BODY = TypeAdapter(dict[str, str])
NO_HOOKS = Method.hooks  # of a card that declares none


class SeqStar(SharedWeights):
    """Its state is that of sequential, whose body stays that of the first task; and the body's digest."""

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """It needs a head to train, and a method that does nothing to the body beside gradient steps."""
        if generated := sorted(set(kinds) & set(GENERATED)):
            return f"tasks of kind {' and '.join(generated)} have no head that could learn on a frozen body"
        card = METHODS.get(method)
        if card.prepare or card.hooks is not NO_HOOKS:
            return f"method {method} changes the body by more than gradient steps, so that it cannot be frozen"
        return super().objection(settings, method, kinds, scenario)

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the weights as they were left; after the first task only the head is trained."""
        model = super().begin(context, state, head)
        if state.folder:
            model.body.requires_grad_(False)
        return model

    def prepare(self, stage: Stage) -> None:
        """Hold the rows of a shared head that answer earlier labels."""
        context = stage.context
        if context.scenario.shares_head and 0 < context.labels_before < len(stage.task.labels):
            hold(stage.own_head, range(context.labels_before))

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the body as the first task left it, and leave the head as one layer."""
        release(stage.own_head)
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
