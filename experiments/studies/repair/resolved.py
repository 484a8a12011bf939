"""A recipe of repairs, resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from adapter_workbench.experiments.studies.repair.record import RepairRecord
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, Settings


WEIGHTS = ("body", ADAPTERS_FOLDER)  # folders of a state, of which those that share weights have one


@dataclass(frozen=True)
class RepairPlan:
    """What will be repaired, and how.

    Attributes:
        record: without any result.
        learned: the stream's entries, by their labels.
        tasks: by name, whole.
        repairs: label → repair and its settings, controls among them.
        asked: labels of those that the recipe names.
        control_of: label of a repair → label of its control.
    """

    study: ClassVar[str] = "repair"
    record: RepairRecord
    learned: Mapping[str, Entry]
    tasks: Mapping[str, Task]
    backbone: Backbone
    budget: Budget
    repairs: Mapping[str, tuple[str, Settings]]
    asked: Collection[str]
    control_of: Mapping[str, str]

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.record.experiment

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        return self.record.about()


def weights_in(step: Path) -> list[str]:
    """Return the folders of shared weights in the state of a step; none where they were not kept."""
    return [name for name in WEIGHTS if (step / "state" / name).is_dir()]
