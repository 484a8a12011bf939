"""How the rows of one task arrive, version after version, one file each: the scenarios of recipes with ``updates``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

SIZES = ("train_examples", "validation_examples", "eval_examples")


@dataclass(frozen=True)
class Version:
    """One version of a task."""

    task: Task  # whole: its rows and those of the versions before
    labels: LabelMap  # those of the version before beside its own; of the first version its own on both sides
    new_rows: frozenset[str]  # ids of the training rows that came with it


class Arrival(Protocol):
    """How rows arrive. A row stays in its split, and what is tested once is tested in all later versions.

    Attributes:
        of_families: whether a recipe names families, whose members are the periods of one task; else single tasks.
    """

    of_families: bool

    def objection(self, tasks: Sequence[Task], versions: int) -> str | None:
        """Return why these rows cannot arrive in so many versions, in a few words; or None."""

    def versions(self, name: str, tasks: Sequence[Task], versions: int, budget: Budget, seed: int) -> list[Version]:
        """Return the versions, the first one first.

        Args:
            name: of the task that they are versions of.
            tasks: the task itself, or its periods.
            versions: how many.
            budget: says how many rows of each split the last version has.
            seed: of the replication: which rows are drawn, and what comes when.
        """


def sizes(budget: Budget) -> dict[str, int | None]:
    """Return how many rows of each split a budget draws, by its keys; None for all."""
    return {name: getattr(budget, name) for name in SIZES}


ARRIVALS: Modules[Arrival] = Modules("scenario", __name__, "ARRIVAL", Arrival)
