"""Whether validation has a choice where a composition is compared with what it picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.compositions.record import PICKS
from adapter_workbench.workbench.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.workbench.settings.base import Document


def never_picked(plan: FusionPlan, document: Document) -> Iterator[Problem]:
    """Yield a problem for each ``against`` that names a pick which cannot be: its row would not be in the report."""
    for entry in plan.entries:
        if entry.against not in PICKS:
            continue
        where = document.where("compositions", entry.label, "against")
        message = f"'against' names what validation never picks here: {entry.against!r}"
        if not any(plan.budgets):
            hint = "Add a K above 0 to 'shots', or name a row."
            yield Problem(f"{message}, since without examples (K = 0) nothing validates", where, hint)
            continue
        roles, all_entries = PICKS[entry.against], plan.all_entries(plan.seeds[0])
        rows = [other.label for other in all_entries if other.role in roles]
        if len(rows) < 2:
            only = f"only {rows[0]!r}" if rows else "nothing"
            hint = f"Name that row: against: {rows[0]}" if rows else "Name a row of the report."
            yield Problem(f"{message}, since there is {only} to choose among", where, hint)
