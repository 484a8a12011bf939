"""What is known of one way of updating; every number of it is one of :mod:`quantities`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.updates.measures import SCORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.updates.record import VersionAdapter
    from adapter_workbench.workbench.measures.statistics import Interval


@dataclass(frozen=True)
class Row:
    """One entry.

    Attributes:
        label: what the recipe calls it; ``way``, ``method`` and ``settings`` are what it is.
        metrics: by name, mean over tasks; the interval over seeds.
        tasks: task → score of the last version, over seeds.
        versions: task → score of each version on all its test rows, over seeds.
        cells: every adapter that is there.
        differences: by metric, minus that of what it is compared with, at equal tasks and seeds; empty for the
            reference.
        against: the label of what it is compared with; empty for the reference.
        learned_nothing: (task, seed, why) of the last versions that seem to have learned nothing.
    """

    label: str
    way: str
    method: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Interval]
    tasks: Mapping[str, Interval]
    versions: Mapping[str, Sequence[Interval]]
    cells: tuple[VersionAdapter, ...]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    against: str = ""
    learned_nothing: tuple[tuple[str, int, str], ...] = ()

    @property
    def difference(self) -> Difference | None:
        """That of the score; None for the reference."""
        return self.differences.get(SCORE)

    @property
    def updates(self) -> Iterator[tuple[VersionAdapter, ...]]:
        """The adapters of the updates of each task with each seed, all versions but the first, where all are there."""
        chains: dict[tuple[str, int], list[VersionAdapter]] = {}
        for cell in self.cells:
            if cell.version > 1:
                chains.setdefault((cell.task, cell.seed), []).append(cell)
        whole = {task: len(versions) - 1 for task, versions in self.versions.items()}
        yield from (tuple(chain) for (task, _), chain in chains.items() if len(chain) == whole[task])
