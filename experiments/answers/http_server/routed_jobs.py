"""Who answers each text of several jobs; texts that a router chooses for are read together, whoever sent them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.current import Routed
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.workbench.answering.predictor import join_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.answers.http_server.current import Job
    from adapter_workbench.fusion.routing.route import RoutingState

    Owners = tuple[Sequence[str | None], Routed | None]
    """The id of the adapter that answers each text, None for nobody; and how a router chose, if one did."""


def owners_of(jobs: Sequence[Job]) -> list[Owners]:
    """Return who answers the texts of each job, in order."""
    owners: list[Owners] = [([job.adapter] * len(job), None) for job in jobs]
    routed: dict[int, tuple[RoutingState, list[int]]] = {}
    for number, job in enumerate(jobs):
        if job.adapter is None:
            state = job.current.routers["text_pair" in job.rows.column_names]
            routed.setdefault(id(state), (state, []))[1].append(number)
    for state, numbers in routed.values():
        for number, chosen in zip(numbers, _chosen(state, [jobs[number] for number in numbers]), strict=True):
            owners[number] = chosen
    return owners


def _chosen(state: RoutingState, jobs: Sequence[Job]) -> list[Owners]:
    choice = adapters_for_texts(state, join_tables([job.rows for job in jobs]))
    nearest = [state.adapters[index].id for index in choice.adapters]
    owners = [None if rejected else name for name, rejected in zip(nearest, choice.rejected, strict=True)]
    scores = choice.scores.tolist()
    ends = [*accumulate(map(len, jobs))]
    parts = [slice(end - len(job), end) for end, job in zip(ends, jobs, strict=True)]
    return [(owners[part], Routed(nearest[part], scores[part])) for part in parts]
