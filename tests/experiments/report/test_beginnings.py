"""How fast new tasks are learned: by hand from curves, and from a run's own fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.reporting.presentation import Table
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.report import Report
from tests.runs import stream_of

ENTRIES = {
    "afresh": "{strategy: isolated, method: lora, learning_rate: 0.02, init: fitted}",
    "learned": "{strategy: isolated, method: lora, learning_rate: 0.02, init: meta}",
    "together": "{strategy: joint, method: lora, learning_rate: 0.02}",
}


@pytest.fixture(scope="module")
def report(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    few = ("seeds=[0, 1]", "budget.epochs=2", "budget.train_examples=16", "reference=afresh")
    return stream_of(tmp_path_factory.mktemp("beginnings"), bert, ENTRIES, *few)


def curves(report: Report, label: str, seed: int) -> list[tuple[float, ...]]:
    (strategy,) = (strategy for strategy in report.strategies if strategy.label == label)
    (replication,) = (replication for replication in strategy.replications if replication.seed == seed)
    return [outcome.curve for outcome in replication.outcomes if outcome.stage > 1]


def reached(curve: tuple[float, ...], best: float) -> int:
    return min([epoch for epoch, score in enumerate(curve, start=1) if score >= best], default=len(curve) + 1)


def test_numbers_are_those_of_the_fits_after_the_first_task(report: Report) -> None:
    learned, afresh = report.beginnings["learned"], report.beginnings["afresh"]
    own, other = ([curves(report, label, seed) for seed in (0, 1)] for label in ("learned", "afresh"))
    assert all(len(curve) == 2 for seed in own for curve in seed)
    areas, others = ([sum(map(sum, seed)) / 2 / len(seed) for seed in seeds] for seeds in (own, other))
    assert learned.area.values == pytest.approx(areas)
    assert learned.first.values == pytest.approx([sum(curve[0] for curve in seed) / len(seed) for seed in own])
    assert learned.gained is not None
    assert learned.gained.values == pytest.approx([ours - theirs for ours, theirs in zip(areas, others, strict=True)])
    waits = [
        sum(reached(a, max(b)) for a, b in zip(ours, theirs, strict=True)) / len(ours)
        for ours, theirs in zip(own, other, strict=True)
    ]
    assert learned.epochs.values == pytest.approx(waits)
    assert afresh.gained is None, "nothing is held against itself"


def test_what_has_no_fit_for_each_task_is_left_out(report: Report) -> None:
    assert set(report.beginnings) == {"afresh", "learned"}
    (table,) = (block for block in present(report).blocks if isinstance(block, Table) and block.name == "beginnings")
    assert [row[0].text for row in table.rows] == ["afresh", "learned"]
    document = report.as_json()["strategies"]
    assert document["learned"]["learning_curve"]["area_gained"]["mean"] == report.beginnings["learned"].gained.mean  # type: ignore[union-attr]
    assert "learning_curve" not in document["together"]


def test_without_curves_of_the_reference_there_is_nothing_to_hold_against(report: Report) -> None:
    alone = replace(report, strategies=report.strategies[1:])
    assert alone.beginnings == {}
    assert not [block for block in present(alone).blocks if isinstance(block, Table) and block.name == "beginnings"]
