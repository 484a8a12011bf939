"""der-plus-plus: replay that also remembers the examples' logits, with a penalty on changing them.

Loss + α mean (ẑ − z)² over the remembered rows of a batch, α the strength, z the logits of the row's own head right
after its task was learned (dark experience replay++: Buzzega et al. 2020, arXiv:2004.07211, eq. 6). The paper takes the
logits during training and draws two batches from the memory; here one batch serves both terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from adapter_workbench.experiments.strategies import _logits
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.experiments.strategies.replay import Replay, ReplaySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset
    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty


class DerSettings(RemedySettings, ReplaySettings):
    """``strength`` is α."""

    strength: Strength = 0.5


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
        return lambda batch: strength * _distance(batch)

    def _at_its_columns(self, rows: Dataset, stage: Stage, task: int) -> Dataset:
        logits, shared = _logits.no_logits(len(rows), stage), stage.context.scenario.shares_head
        start = 0 if shared else _logits.columns_of(stage, task).start
        for row, remembered in zip(logits, rows[_logits.COLUMN][:], strict=True):
            row[start : start + len(remembered)] = np.array(remembered, dtype=np.float32)
        return _logits.with_logits(rows, logits)


def _distance(batch: Batch) -> Tensor:
    assert batch.remembered is not None
    held = ~torch.isnan(batch.remembered)
    gaps = (batch.model.head(batch.read)[held] - batch.remembered[held]).square()
    distance: Tensor = gaps.sum() / max(int(held.sum()), 1)
    return distance


STRATEGY = DerPlusPlus()
