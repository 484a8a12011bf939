"""Which two of a state's LoRAs may become one: rules that read the updates or the groups, and no data."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from adapter_workbench.experiments.strategies._linkage import linkage
from adapter_workbench.fusion.diagnosis.diagnostics import diagnose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.strategies._groups import Group
    from adapter_workbench.experiments.strategies._linkage import Cosines
    from adapter_workbench.fusion.updates.lowrank import Update

Pair = Literal[
    "average-linkage",
    "cosine",
    "left-overlap",
    "right-overlap",
    "sign-conflict",
    "interference",
    "newest",
    "trial",
    "oldest",
    "fewest",
]
Likeness = Literal["tasks", "merged"]
LINKAGE, NEWEST, TRIAL = "average-linkage", "newest", "trial"
MOST_ALIKE = (NEWEST, TRIAL)  # rules that go by how alike two are, and by something else
HIGH = {"cosine": "cosine", "left-overlap": "left_overlap", "right-overlap": "right_overlap"}
LOW = {"sign-conflict": "sign_conflict", "interference": "interference"}


def links_tasks(rule: Pair, likeness: Likeness) -> bool:
    """Return whether a rule goes by the LoRAs that the tasks were learned with."""
    return rule == LINKAGE or (rule in MOST_ALIKE and likeness == "tasks")


def ranked_pairs(
    rule: Pair, groups: Sequence[Group], updates: Sequence[Update], cosines: Cosines | None = None
) -> list[tuple[int, int]]:
    """Return the pairs that ``rule`` allows as indices of groups, the best first; of equal ones, the oldest first.

    Args:
        rule: its name; ``trial`` goes through the pairs by how alike they are.
        groups: the oldest first.
        updates: of the groups' LoRAs.
        cosines: of the LoRAs that the tasks were learned with, by which two groups are alike; None: the cosine of the
            groups' LoRAs as they are, which favours the largest group.
    """
    pairs = list(combinations(range(len(groups)), 2))
    if rule == "oldest":
        return pairs
    if rule == "fewest":
        return sorted(pairs, key=lambda pair: sum(len(groups[index].tasks) for index in pair))
    if rule == NEWEST:  # the newest stands last
        pairs = [pair for pair in pairs if pair[1] == len(groups) - 1]
    if cosines is not None:
        return sorted(pairs, key=lambda pair: -linkage(groups[pair[0]].tasks, groups[pair[1]].tasks, cosines))
    statistic = {NEWEST: "cosine", TRIAL: "cosine"}.get(rule, rule)
    names = [group.folder for group in groups]
    values = diagnose(names, updates, permutations=0).pairs[{**HIGH, **LOW}[statistic]].value
    sign = 1 if statistic in HIGH else -1

    def unlike(pair: tuple[int, int]) -> float:
        value = values[pair[0]][pair[1]]
        return math.inf if value is None else -sign * value

    return sorted(pairs, key=unlike)
