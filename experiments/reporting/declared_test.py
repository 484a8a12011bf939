"""What a recipe declares about its comparisons, and the estimates that this gives for a family of differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.measures.declared_tests import paired, pooled, stratified, supported
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.workbench.measures.declared_tests import Test
    from adapter_workbench.workbench.measures.estimate import Estimate

REFERENCE = ""  # row of a table of differences: no label is empty


@dataclass(frozen=True)
class DeclaredTest:
    """How differences from the reference are tested, said before there is a result."""

    test: Test = "paired"  # what the spread of a difference is taken from
    # differences smaller than this do not matter, as a share; None: nothing is called equal
    margin: float | None = None
    # chance of a false verdict in the family, of either kind; that of a look, where there are several
    level: float = LEVEL


@dataclass(frozen=True)
class BySeed:
    """Differences of one row from the reference: for every planned seed one, None where it is missing."""

    seeds: Sequence[int]  # of the values
    values: Sequence[float | None]  # one a seed
    floor: float | None = None  # the least standard deviation that the values can be said to have; None: not known
    # for each task its differences, one a seed, where tasks are fitted apart; else empty
    tasks: Sequence[Sequence[float | None]] = ()
    task_floors: Sequence[float] = ()  # the floors of these; empty where they are not known


def estimates(rows: Mapping[str, BySeed], test: Test, level: float = LEVEL) -> dict[str, Estimate | None]:
    """Return the estimate of each row of a family by the declared test; None for fewer than two seeds.

    The stratified test is made where tasks are fitted apart; other rows are tested paired. So are rows whose own
    differences do not support what a test supposes.

    The pooled test needs scores, and gets differences: a reference of zeros and rows of differences have the residuals
    of the scores, since what is taken off a seed's scores is taken off all rows alike.
    """
    own = {label: paired(row.values, row.floor) for label, row in rows.items()}
    if test == "stratified":
        known = {label: of for label, of in own.items() if of}
        by_task = {label: stratified(rows[label].tasks, rows[label].task_floors) for label in known}
        return {**own, **supported({label: of for label, of in by_task.items() if of}, known, level)}
    if test == "paired" or len(rows) < 2:
        return own
    seeds = list(dict.fromkeys(seed for row in rows.values() for seed in row.seeds))
    values = {label: dict(zip(row.seeds, row.values, strict=True)) for label, row in rows.items()}
    table = {label: [of.get(seed) for seed in seeds] for label, of in values.items()}
    floors = [row.floor for row in rows.values() if row.floor is not None]
    floor = max(floors) if len(floors) == len(rows) else None
    return pooled({REFERENCE: [0.0] * len(seeds), **table}, REFERENCE, floor, level).estimates
