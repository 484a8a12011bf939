"""der-plus-plus: replay that also remembers the examples' logits, with a penalty on changing them.

Loss + α mean (ẑ − z)² over the remembered rows of a batch, α the strength, z the logits of the row's own head right
after its task was learned (dark experience replay++: Buzzega et al. 2020, arXiv:2004.07211, eq. 6). The paper takes the
logits during training and draws two batches from the memory; here one batch serves both terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from adapter_workbench.experiments.strategies import _logits, _memory
from adapter_workbench.experiments.strategies._remedied import penalty_of
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.experiments.strategies.replay import Replay, ReplaySettings
from adapter_workbench.workbench.training.remedy import ForwardPass, Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset
    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Penalty
    from adapter_workbench.workbench.training.remedy import Row

Key = tuple[tuple[int, ...], int | None]
LABEL = ("labels", "label", "label_ids")  # what data sets call it, from which collators make labels
LOGITS, EACH = "logits", "rows"  # in a remedy's state: those of each kept row (rows, labels)


class DerSettings(RemedySettings, ReplaySettings):
    """``strength`` is α."""

    strength: Strength = 0.5


@dataclass(frozen=True)
class DarkReplay(Remedy):
    """Its state is rows of the tasks so far, as many at random of all that went by, and their logits."""

    strength: float
    memory: int
    name: ClassVar[str] = "der-plus-plus"
    reads_rows: ClassVar[bool] = True

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return that of the logits."""
        return {EACH: (None, None)}

    def after_forward(self, learner: Learner, state: RemedyState | None, forward: ForwardPass) -> Tensor | None:
        """Return α times the mean squared distance of logits; None where no row brings any."""
        return None if forward.remembered is None else self.strength * distance(forward.logits(), forward.remembered)

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Put the task's rows with the logits that they have now into the memory, as far as a uniform sample has them.

        Remembered rows that were mixed in have gone by before, and keep their logits.
        """
        rows, before = learner.rows.own(), state or RemedyState()
        again = {key_of(row) for row in before.rows}
        new = [index for index in range(len(rows)) if key_of(rows[index]) not in again]
        generator = np.random.default_rng([learner.rows.seed, before.seen])
        kept = _memory.reservoir(len(before.rows), len(new), self.memory, before.seen, generator).tolist()
        own = [rows[new[index - len(before.rows)]] for index in kept if index >= len(before.rows)]
        fresh = zip(own, learner.rows.logits(own) if own else (), strict=True)
        older = [*zip(before.rows, before.tensors[LOGITS][EACH].cpu() if before.rows else (), strict=True)]
        pairs = [older[index] if index < len(older) else next(fresh) for index in kept]
        logits = torch.stack([logits for _, logits in pairs])
        return RemedyState({LOGITS: {EACH: logits}}, [row for row, _ in pairs], before.seen + len(new))


class DerPlusPlus(Replay):
    """Its state is that of replay; the memory has a column of logits more."""

    settings = DerSettings
    mixes = ("classification",)  # logits of labels are compared
    task_free = False  # logits are those at the end of a task

    def own_rows(self, stage: Stage) -> Dataset:
        """Return the task's rows; they have nothing to be held to."""
        rows = stage.task.splits["train"]
        return rows if stage.state.folder is None else _logits.with_logits(rows, _logits.no_logits(len(rows), stage))

    def rehearsed(self, stage: Stage) -> Mapping[str, Dataset]:
        """Return the memory, the logits of each row at the place of its own head."""
        names = [task.name for task in stage.context.posed]
        return {
            name: self._at_its_columns(rows, stage, names.index(name))
            for name, rows in super().rehearsed(stage).items()
        }

    def worth_keeping(self, stage: Stage) -> Dataset:
        """Return the task's rows with the logits that they have now."""
        rows = stage.task.splits["train"]
        (logits,) = _logits.answers(stage, rows, [stage.own_head])
        return _logits.with_logits(rows, logits)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return α times the mean squared distance of logits."""
        return penalty_of(DarkReplay(strength, stage.context.settings.memory), stage, None)

    def _at_its_columns(self, rows: Dataset, stage: Stage, task: int) -> Dataset:
        logits, shared = _logits.no_logits(len(rows), stage), stage.context.scenario.shares_head
        start = 0 if shared else _logits.columns_of(stage, task).start
        for row, remembered in zip(logits, rows[_logits.COLUMN][:], strict=True):
            row[start : start + len(remembered)] = np.array(remembered, dtype=np.float32)
        return _logits.with_logits(rows, logits)


def key_of(row: Row) -> Key:
    """Return a row's tokens and its label, by which it is known again."""
    return tuple(row["input_ids"]), next((int(row[name]) for name in LABEL if name in row), None)


def distance(logits: Tensor, remembered: Tensor) -> Tensor:
    """Return the mean of (ẑ − z)² over what is remembered, both (rows, labels); 0 where nothing is; a scalar."""
    held = ~torch.isnan(remembered)
    total: Tensor = (logits[held] - remembered[held]).square().sum() / max(int(held.sum()), 1)
    return total


STRATEGY = DerPlusPlus()
