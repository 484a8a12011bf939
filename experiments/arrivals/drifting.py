"""drifting: the labels stay, the texts change: each version of a task brings the rows of a later period, or author.

A recipe names families whose members are the periods in their order. A version has the rows of its period and of all
before; what the budget says of rows is for the last version, and each period has an equal share of them. A text that
an earlier period has too is left out, so that what was tested once never trains.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.arrivals import Version, sizes
from adapter_workbench.experiments.scenarios import domain_incremental
from adapter_workbench.tasks.loading.union import pool_tasks
from adapter_workbench.tasks.rows.cutting import text_keys
from adapter_workbench.tasks.updating.label_map import unchanged
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


class Drifting:
    """One task in several periods."""

    of_families = True

    def objection(self, tasks: Sequence[Task], versions: int) -> str | None:
        """Return why not: each version needs a period, and all periods the same labels."""
        if len(tasks) < versions:
            return f"{versions} versions need as many periods, and there are {len(tasks)}"
        if other := next((task for task in tasks if task.kind != "classification"), None):
            return f"{other.name!r} is a {other.kind} task, where an example has not one label"
        return domain_incremental.SCENARIO.objection(tasks)

    def versions(self, name: str, tasks: Sequence[Task], versions: int, budget: Budget, seed: int) -> list[Version]:
        """Return the first period, then the first two, and so on."""
        share = _share(budget, versions)
        periods = [draw(task, share, seed) for task in _each_text_once(tasks[:versions])]
        made: list[Version] = []
        for number in range(versions):
            task = pool_tasks(periods[: number + 1], name)
            about = [period.fingerprint for period in periods[: number + 1]]
            task = replace(
                task,
                fingerprint=key(["drifting", about, sizes(share), seed]),
                origin=f"{task.origin}, version {number + 1} of {versions}, drifting",
                license=tasks[0].license,
                homepage=tasks[0].homepage,
            )
            new = frozenset(f"{periods[number].name}/{row}" for row in periods[number].splits["train"]["id"][:])
            made.append(Version(task, unchanged(task.labels), new))
        return made


def _share(budget: Budget, periods: int) -> Budget:
    """Return a budget with the rows of one period."""
    return budget.model_copy(update={name: size and max(size // periods, 1) for name, size in sizes(budget).items()})


def _each_text_once(tasks: Sequence[Task]) -> Iterator[Task]:
    """Yield the periods without the texts of earlier ones."""
    earlier: set[str] = set()
    for task in tasks:
        texts = {split: [*text_keys(rows.to_pandas())] for split, rows in task.splits.items()}
        kept = {split: np.flatnonzero([text not in earlier for text in own]) for split, own in texts.items()}
        yield replace(task, splits={split: task.splits[split].select(rows) for split, rows in kept.items()})
        earlier.update(text for own in texts.values() for text in own)


ARRIVAL = Drifting()
