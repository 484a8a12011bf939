"""What MLflow gets of an entry that has fewer seeds than others, since it was decided earlier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.studies.methods import summary as methods
from experiments.studies.methods import tracking as methods_tracking
from experiments.studies.routing import summary as routing
from experiments.studies.routing import tracking as routing_tracking
from experiments.studies.updates import summary as updates
from experiments.studies.updates import tracking as updates_tracking
from tests.experiments.report.finished import FINISHED

STUDIES = {
    "methods": (methods.summarise, methods_tracking.tracking),
    "routing": (routing.summarise, routing_tracking.tracking),
    "updates": (updates.summarise, updates_tracking.tracking),
}


@pytest.mark.parametrize("study", [*STUDIES])
def test_its_means_are_there_too(study: str) -> None:
    report: Any = FINISHED[study]()
    summarise, tracking = STUDIES[study]
    *_, row = report.rows
    first = report.record.seeds[0]
    kept = tuple(cell for cell in report.record.cells if cell.label != row.label or cell.seed == first)
    early = replace(report.record, seeds_of={row.label: (first,)}, cells=kept)

    def logged(record: Any) -> dict[str, int]:
        points = tracking(summarise(record, Path)).run.metrics
        return {name: step for name, _, step in points if name.startswith(f"{row.label}/")}

    before, after = logged(report.record), logged(early)
    assert before
    assert after.keys() == before.keys()
    assert {*before.values()} == {len(report.record.seeds)}
    assert {*after.values()} == {1}
    assert not logged(replace(early, cells=kept[:-1] if kept[-1].label == row.label else kept[1:]))
