"""What the referee's checklist asks of the JSON document of a report: planned comparisons, and learning rates tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.families import DIGITS, hypothesis
from adapter_workbench.experiments.studies.core.tune import LearningRateTrial
from adapter_workbench.workbench.measures.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

Document = Mapping[str, Any]  # of `report --json`, of this version or an earlier one


@dataclass(frozen=True)
class PlannedComparison:
    """A comparison that the recipe asks for, in one metric."""

    label: str  # of the entry
    against: str  # what it is compared with
    family: str  # the metric, or what else is adjusted together
    difference: Document  # as the document has it: ``values``, ``reading``, ``p``, ``p_holm``
    # in what the entry and its control differ by name, such as ``strategy`` and ``method``
    differs: tuple[str, ...] = ()
    main: bool = True  # whether the verdict is about this metric

    @property
    def reading(self) -> str:
        """Higher, lower, equal, undecided, or why nothing can be said; what earlier versions called undecided too."""
        reading = str(self.difference.get("reading"))
        return "undecided" if reading == "not distinguishable" else reading

    @property
    def hypothesis(self) -> Hashable:
        """What two comparisons of a family share if they are one test.

        A document has no variance over test examples; equal differences of other examples have another p.
        """
        interval, chance = Interval(self.difference["mean"], None, None, tuple(self.difference["values"])), self.chance
        return hypothesis(Difference(interval)), None if chance is None else round(chance, DIGITS)

    @property
    def chance(self) -> float | None:
        """The p of the comparison by itself; None where there is none, or an earlier version did not compute it."""
        p: float | None = self.difference.get("p")
        return p


@dataclass(frozen=True)
class Grid:
    """The learning rates that were tried for an entry, and the one that was taken."""

    who: str  # the entry, with the task where each task has its own
    tried: tuple[LearningRateTrial, ...]  # each with its validation score
    chosen: float
    seed: int | None = None  # that they were tried with; None where the document does not say it


@dataclass(frozen=True)
class Facts:
    """What a document tells of how its comparisons were planned."""

    entries: tuple[str, ...]  # labels of all that the recipe compares, the reference among them
    comparisons: tuple[PlannedComparison, ...]  # of these, in each metric; empty in a report that has none yet
    grids: tuple[Grid, ...] = ()  # of the learning rates that were tried
    picks: tuple[str, ...] = ()  # what else validation picks, in words: ``best composition``
    heads: tuple[str, ...] = ()  # entries that train a head on the frozen model, and nothing else
    # why the study could have no such entry, in a sentence; empty where it could
    no_head: str = "Only streams of tasks are asked."


def grid(who: str, tried: Iterable[Document], chosen: float, seed: int | None = None) -> Iterator[Grid]:
    """Yield the grid of a search as a document has it; nothing where it had one rate alone, and no range."""
    trials = tuple(
        LearningRateTrial(trial["learning_rate"], trial["validation"], trial["log_likelihood"], trial["seconds"])
        for trial in tried
    )
    if len(trials) > 1:
        yield Grid(who, trials, chosen, seed)


def unlike(names: Sequence[str], ours: Document, theirs: Document) -> tuple[str, ...]:
    """Return those of ``names`` under which two rows of a document have different values."""
    return tuple(name for name in names if ours.get(name) != theirs.get(name))


def compared_rows(
    rows: Mapping[str, Document], reference: str, names: Sequence[str], family: str
) -> Iterator[PlannedComparison]:
    """Yield the comparison of each row that has a ``difference``, in one metric; ``names`` say what a row is."""
    for label, row in rows.items():
        against = row.get("against") or reference
        if label != reference and row.get("difference"):
            differs = unlike(names, row, rows[against])
            yield PlannedComparison(label, against, family, row["difference"], differs)
