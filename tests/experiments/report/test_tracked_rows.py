"""What MLflow gets of an entry that has fewer seeds than others, since it was decided earlier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.reporting.mlflow_run import progress, run_record
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.studies.methods import report as methods
from adapter_workbench.experiments.studies.routing import report as routing
from adapter_workbench.experiments.studies.stream.results import summary as stream
from adapter_workbench.experiments.studies.updates import report as updates
from tests.experiments.report.finished import FINISHED

STUDIES: dict[str, Any] = {
    "methods": methods.summarise,
    "routing": routing.summarise,
    "updates": updates.summarise,
}


@pytest.mark.parametrize("study", [*STUDIES])
def test_its_means_are_there_too(study: str) -> None:
    report: Any = FINISHED[study]()
    *_, row = report.rows
    first = report.record.seeds[0]
    kept = tuple(cell for cell in report.record.cells if cell.label != row.label or cell.seed == first)
    early = replace(report.record, seeds_of={row.label: (first,)}, cells=kept)

    def logged(record: Any) -> dict[str, int]:
        points = present(STUDIES[study](record, Path)).tracking().run.metrics
        return {name: step for name, _, step in points if name.startswith(f"{row.label}/")}

    before, after = logged(report.record), logged(early)
    assert before
    assert after.keys() == before.keys()
    assert {*before.values()} == {len(report.record.seeds)}
    assert {*after.values()} == {1}
    assert not logged(replace(early, cells=kept[:-1] if kept[-1].label == row.label else kept[1:]))


@pytest.mark.parametrize("study", [*FINISHED])
def test_the_first_section_of_charts_and_the_name_say_what_came_out(study: str) -> None:
    report: Any = FINISHED[study]()
    run = run_record(present(report))
    drawn = [name for name, value, _ in run.metrics if value is not None]
    below = [name for child in run.children for name, value, _ in child.metrics if value is not None]
    first = min(name.partition("/")[0] for name in (*drawn, *below) if "/" in name)
    assert first in {name.partition("/")[0] for name in drawn}, "MLflow sorts sections by their characters"
    assert first[0].isupper()
    last = {name.partition("/")[2]: value for name, value, _ in run.metrics if name.startswith(f"{first}/")}
    assert all(f"{100 * value:.1f}" in run.title for value in [*last.values()][:4] if value is not None), run.title


def test_a_run_of_a_stream_is_called_by_what_was_forgotten() -> None:
    report: Any = FINISHED["stream"]()
    assert run_record(present(report)).title == "full forgot 10.0 · lora 0.0"
    assert progress(present(report)).title == "", "it goes on"
    alike = tuple(replace(entry, method="lora") for entry in report.record.entries)
    record = replace(report.record, entries=alike)
    assert run_record(present(stream.summarise(record))).title == "forgot 10.0 sequential · 0.0 isolated"


def test_the_report_is_the_first_file_among_the_artifacts() -> None:
    report: Any = FINISHED["stream"]()
    files = {"report.html": b"page", "report.json": b"{}"}
    artifacts = run_record(present(report), files).artifacts
    assert [name for name in artifacts if "/" not in name] == ["report.html"]
    assert artifacts["report/report.html"] == artifacts["report.html"] == b"page"
