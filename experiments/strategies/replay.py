"""replay: sequential, and a small memory of earlier tasks' examples is trained together with the new examples.

Every remembered example is seen once an epoch, like the new examples, in mixed batches, under its own task's head,
which is trained too (experience replay: Chaudhry et al. 2019, arXiv:1902.10486, with one memory for all tasks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.experiments.strategies import _memory
from adapter_workbench.experiments.strategies._memory import Policy
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.tasks.loading.union import MIXABLE
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies._stage import Stage


class ReplaySettings(Settings):
    """What is remembered."""

    memory: Count = Field(200, description="examples that are kept, of all tasks together")
    policy: Policy = Field(
        "balanced", description="as many examples of each label (balanced), or a uniform sample (reservoir)"
    )


class Replay(SharedWeights):
    """Its state is that of sequential, and the memory (``memory.parquet``)."""

    settings: type[Settings] = ReplaySettings
    disposable = ("body", _memory.FILE)
    mixes: tuple[str, ...] = MIXABLE
    rehearses = True
    task_free = True

    def objection(self, settings: ReplaySettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """A balanced memory has a share for each task."""
        if not scenario.announces_tasks and settings.policy == "balanced":
            return "policy: balanced goes by tasks, which this scenario does not tell; policy: reservoir does not"
        return super().objection(settings, method, kinds, scenario)

    def rehearsals(self, settings: ReplaySettings, earlier: Sequence[int]) -> int:
        """As many as the memory holds by then."""
        return min(sum(earlier), settings.memory)

    def rehearsed(self, stage: Stage) -> Mapping[str, Dataset]:
        """Return the memory."""
        return _memory.by_task(_memory.recall(stage.state.folder))

    def remember(self, stage: Stage, folder: Path) -> None:
        """Put the task's training examples into the memory, as far as its policy keeps them."""
        context, settings, rows = stage.context, stage.context.settings, self.worth_keeping(stage)
        before = sum(len(task.splits["train"]) for task in stage.earlier)
        memory, name = _memory.recall(stage.state.folder), stage.task.name
        kept = _memory.remember(memory, rows, name, settings.memory, settings.policy, before, context.seed)
        _memory.save(kept, folder)

    def worth_keeping(self, stage: Stage) -> Dataset:
        """Return the task's training rows as they may be remembered."""
        return stage.task.splits["train"]


STRATEGY = Replay()
