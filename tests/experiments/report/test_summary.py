"""The document of ``report --json`` against the record it is made of."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from adapter_workbench.experiments.reporting.differences import UNDECIDED, Difference
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.studies.stream.page import tables
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import joint_baseline, single_task_baseline, summarise
from adapter_workbench.workbench.measures.forgetting import METRICS
from adapter_workbench.workbench.measures.statistics import Interval, interval, paired_t_test

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome


def cell(record: Record, label: str, seed: int, stage: int, task: str) -> float:
    (score,) = (
        cell.score
        for outcome in record.outcomes
        if (outcome.label, outcome.seed, outcome.stage) == (label, seed, stage)
        for cell in outcome.cells
        if cell.task == task
    )
    return score


def test_the_document_has_the_promised_form(report: Report) -> None:
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert document["experiment"] == "made-up"
    assert document["reference"] == "full-sequential"
    assert [*document["strategies"]] == [strategy.label for strategy in report.strategies]
    for entry in document["strategies"].values():
        assert {"strategy", "method", "metrics", "matrix", "cost", "probes"} <= set(entry)
        assert [*entry["metrics"]] == [metric.name for metric in METRICS]
        assert all(set(value) == {"mean", "low", "high", "values"} for value in entry["metrics"].values())
        assert {"train_seconds", "peak_memory_mb", "trainable_parameters", "stored_bytes"} <= set(entry["cost"])
        assert [len(row) for row in entry["matrix"]] == [4] * 5
        assert [[*seed] for seed in entry["seeds"]] == [["seed", "order", "tasks", "matrix"]] * 3
    assert document["complete"] is True


def test_the_matrix_is_the_mean_over_seeds_and_null_where_nothing_was_measured(record: Record, report: Report) -> None:
    document = report.as_json()["strategies"]["full-sequential"]
    assert document["matrix"][0] == (None,) * 4
    assert document["matrix"][1][1:] == (None,) * 3
    expected = np.mean([cell(record, "full-sequential", seed, 3, "bbc-news") for seed in record.seeds])
    assert document["matrix"][3][0] == pytest.approx(expected, abs=1e-12)


def test_full_adds_every_seed(record: Record, report: Report) -> None:
    seeds = report.as_json(full=True)["strategies"]["lora-sequential"]["seeds"]
    assert [seed["seed"] for seed in seeds] == [0, 1, 2]
    assert seeds[1]["matrix"][2][0] == cell(record, "lora-sequential", 1, 2, "bbc-news")
    assert seeds[1]["statuses"][2] == ("measured", "measured", None, None)


def test_an_isolated_strategy_forgets_exactly_nothing(report: Report) -> None:
    metrics = report.as_json()["strategies"]["lora-isolated"]["metrics"]
    assert metrics["forgetting"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "values": [0.0, 0.0, 0.0]}
    assert metrics["transfer_gain"]["mean"] == 0.0


def test_the_status_of_every_cell_is_counted(report: Report) -> None:
    cells = {strategy.label: dict(strategy.cells) for strategy in report.strategies}
    assert cells["lora-isolated"] == {"measured": 12, "verified": 9, "carried": 9}
    assert cells["full-sequential"] == {"measured": 30, "verified": 0, "carried": 0}


def test_differences_are_paired_by_seed(report: Report) -> None:
    strategies = report.as_json()["strategies"]
    ours, theirs = (strategies[name]["metrics"]["forgetting"]["values"] for name in ("full-replay", "full-sequential"))
    comparison = strategies["full-replay"]["comparison"]["forgetting"]
    gaps = np.subtract(ours, theirs)
    assert comparison["mean"] == pytest.approx(gaps.mean())
    assert (comparison["low"], comparison["high"]) == pytest.approx(
        stats.t.interval(0.95, 2, gaps.mean(), stats.sem(gaps))
    )
    assert comparison["reading"] == "lower"
    assert strategies["full-sequential"]["comparison"] is None


def test_the_note_says_of_each_metric_by_which_test_it_goes(record: Record, report: Report) -> None:
    """Average accuracy has a score for each example, forgetting has none; one seed has no test, so nothing for Holm."""
    note = tables.differences(report).note
    assert "in average accuracy where p of the paired t-test over seeds and test examples" in note
    assert re.search(r"forgetting where p of the paired t-test over seeds,? ", note)
    sizes = {pair.differences[name].family for pair in report.pairs for name in pair.differences}
    assert re.search(rf"adjusted for [\d to]*{max(sizes)} tests\b.* \(Holm\)", tables.pairs(report).note)
    first = tuple(outcome for outcome in record.outcomes if outcome.seed == 0)
    single = summarise(replace(record, seeds=(0,), outcomes=first))
    assert single.pairs
    assert "Holm" not in tables.pairs(single).note


def test_the_bootstrap_uses_the_outcomes_that_stand_at_the_end(report: Report) -> None:
    comparison = report.as_json()["strategies"]["lora-isolated"]["comparison"]["average_accuracy"]
    assert comparison["bootstrap"]["mean"] == pytest.approx(comparison["mean"], abs=1e-12)
    assert comparison["bootstrap"]["low"] < comparison["mean"] < comparison["bootstrap"]["high"]
    assert comparison["bootstrap"]["low"] > 0
    assert comparison["reading"] == "higher"


def test_no_bootstrap_where_outcomes_are_missing_or_do_not_make_the_score(record: Record, tmp_path: Path) -> None:
    key = ("full-replay", 1, 0, "20news-3")
    other = tmp_path / "other.parquet"
    pd.DataFrame({"id": ["20news-3/0"], "correct": [True]}).to_parquet(other)
    without = {entry: path for entry, path in record.examples.items() if entry != key}
    for examples in (without, {**record.examples, key: tmp_path / "gone"}, {**record.examples, key: other}):
        strategies = summarise(replace(record, examples=examples)).as_json()["strategies"]
        assert "bootstrap" not in strategies["full-replay"]["comparison"]["average_accuracy"]
        assert "bootstrap" in strategies["lora-isolated"]["comparison"]["average_accuracy"]


def test_baselines_come_from_the_same_record(record: Record, report: Report) -> None:
    used = {strategy.label: (strategy.single, strategy.joint) for strategy in report.strategies}
    assert used["lora-sequential"] == ("lora-isolated", "full-joint")
    assert used["full-sequential"] == (None, "full-joint")
    gain = report.as_json()["strategies"]["lora-sequential"]["metrics"]["transfer_gain"]["values"][0]
    diagonal = [
        [cell(record, label, 0, stage, task) for stage, task in enumerate(record.tasks, start=1)]
        for label in ("lora-sequential", "lora-isolated")
    ]
    assert gain == pytest.approx(np.mean(np.subtract(*diagonal)), abs=1e-12)


@pytest.mark.parametrize(
    ("scenario", "has_single", "has_joint"),
    [("task-incremental", True, True), ("domain-incremental", False, True), ("class-incremental", False, False)],
)
def test_what_answers_another_question_is_no_baseline(
    record: Record, scenario: str, has_single: bool, has_joint: bool
) -> None:
    """S[j] of a routed entry has its router's errors; J[j] is among all labels, R[j, j] among those seen by stage j."""
    strategy = summarise(replace(record, scenario=scenario)).as_json()["strategies"]["lora-sequential"]
    assert [baseline is not None for baseline in strategy["baselines"].values()] == [has_single, has_joint]
    for metric, is_there in (("transfer_gain", has_single), ("intransigence", has_joint)):
        assert all((value is not None) == is_there for value in strategy["metrics"][metric]["values"])


def test_the_baseline_with_the_same_settings_is_preferred(record: Record) -> None:
    isolated, _, sequential, *rest = record.entries
    wide = replace(isolated, label="wide", settings={"rank": 64})
    joint = replace(isolated, label="lora-joint", strategy="joint")
    crowd = replace(record, entries=(wide, isolated, *rest, joint))
    assert single_task_baseline(crowd, sequential) == "lora-isolated"
    assert joint_baseline(crowd, sequential) == "lora-joint"


def test_adapters_that_begin_at_those_of_other_tasks_are_no_single_tasks(record: Record) -> None:
    isolated, *rest = record.entries
    warm, fresh, fitted = (
        replace(isolated, label=init, settings={**isolated.settings, "init": init})
        for init in ("fused", "fresh", "fitted")
    )
    crowd = replace(record, entries=(warm, fresh, fitted, *rest), reference="fitted")
    assert single_task_baseline(crowd, warm) == "fitted", "which it is compared with"
    assert single_task_baseline(crowd, replace(warm, against="fresh")) == "fresh"
    assert single_task_baseline(crowd, fresh) == "fresh"
    assert single_task_baseline(replace(record, entries=(warm, *rest)), warm) is None


def test_cost_is_the_whole_stream_and_probes_the_last_stage(record: Record, report: Report) -> None:
    entry = report.as_json()["strategies"]["full-sequential"]
    outcomes = [outcome for outcome in record.outcomes if outcome.label == "full-sequential"]
    assert entry["cost"]["train_seconds"] == pytest.approx(sum(outcome.cost.train_seconds for outcome in outcomes) / 3)
    drift = entry["probes"]["cka"]["drift"]
    assert drift["values"] == [outcome.probes["cka"]["drift"] for outcome in outcomes if outcome.stage == 4]
    assert drift["stages"][0] is None
    assert drift["stages"][4] == drift["mean"]


def test_what_has_not_finished_is_not_scored(half_way: Record) -> None:
    report = summarise(half_way)
    document = json.loads(json.dumps(report.as_json(full=True), allow_nan=False))
    assert document["complete"] is False
    first, second, third, *_ = document["strategies"].values()
    assert first["metrics"]["average_accuracy"]["values"][1:] == [None, None]
    assert first["metrics"]["average_accuracy"]["low"] is None
    assert {value["mean"] for value in second["metrics"].values()} == {None}
    assert second["stages"] == {"finished": 2, "planned": 12}
    assert third["cost"]["train_seconds"] is None
    assert report.verdict.startswith("No verdict yet: lora-isolated has finished 4 of 12 stages, full-sequential 2.")


def test_the_cost_of_a_stream_is_that_of_whole_streams(record: Record, half_way: Record) -> None:
    """Half a stream takes about half the time, and a mean with it is what no stream takes."""
    document = summarise(half_way).as_json()["strategies"]
    assert set(document["full-sequential"]["cost"].values()) == {None}, "two of its four stages"
    begun = tuple(outcome for outcome in record.outcomes if outcome.seed == 0 or outcome.stage < 4)
    whole = [outcome for outcome in record.outcomes if outcome.label == "full-sequential" and outcome.seed == 0]
    cost = summarise(replace(record, outcomes=begun)).as_json()["strategies"]["full-sequential"]["cost"]
    assert cost["train_seconds"] == pytest.approx(sum(outcome.cost.train_seconds for outcome in whole))
    assert cost["stored_bytes"] == whole[-1].cost.stored_bytes


def test_a_strategy_with_one_stage_has_finished_after_it(record: Record) -> None:
    kept = tuple(outcome for outcome in record.outcomes if outcome.label != "full-joint" or outcome.stage == 4)
    report = summarise(replace(record, outcomes=kept))
    assert report.complete
    assert report.as_json()["strategies"]["full-joint"]["stages"] == {"finished": 3, "planned": 3}
    assert report.as_json()["strategies"]["full-joint"]["metrics"]["average_accuracy"]["mean"] is not None
    without = tuple(outcome for outcome in kept if (outcome.label, outcome.seed) != ("full-joint", 2))
    assert not summarise(replace(record, outcomes=without)).complete


def test_unknown_peak_memory_and_majority_are_null(record: Record) -> None:
    blind = tuple(replace(outcome, cost=replace(outcome.cost, peak_memory_mb=None)) for outcome in record.outcomes)
    changed = replace(record, outcomes=blind, majority=(float("nan"), 0.5, 0.5, 0.5))
    document = json.loads(json.dumps(summarise(changed).as_json(), allow_nan=False))
    assert document["majority"][0] is None
    assert document["strategies"]["full-replay"]["cost"]["peak_memory_mb"] is None
    assert document["strategies"]["full-replay"]["metrics"]["relative_forgetting"]["mean"] is None


@pytest.mark.parametrize(
    ("gaps", "adjusted", "examples", "word"),
    [
        ([0.1, 0.11, 0.12], None, None, "higher"),
        ([-0.1, -0.11, -0.12], 0.02, None, "lower"),
        ([0.1, 0.11, 0.12], 0.06, None, UNDECIDED),  # alone, its interval leaves out 0
        ([-0.1, 0.1, 0.12], None, None, UNDECIDED),
        ([0.0, 0.0], None, None, UNDECIDED),
        ([0.1, 0.11, 0.12], None, (0.05, 0.15), "higher"),
        ([0.1, 0.11, 0.12], None, (-0.05, 0.25), "higher"),  # the test decides, not the interval beside it
        ([-0.1, 0.1, 0.12], None, (0.01, 0.07), UNDECIDED),
        ([0.1], None, (0.05, 0.15), "higher"),  # one seed leaves the examples
        ([0.1], None, (-0.05, 0.25), UNDECIDED),
        ([0.1], None, None, "no interval"),
        ([None], None, (0.05, 0.15), "not measured"),
    ],
)
def test_readings(
    gaps: list[float | None], adjusted: float | None, examples: tuple[float, float] | None, word: str
) -> None:
    seeds = interval(gaps)
    over = Interval(seeds.mean, *examples) if examples else None
    assert Difference(seeds, over, paired_t_test(gaps), adjusted).reading == word


def test_identical_tests_are_one_hypothesis() -> None:
    """Two entries that forget exactly 0 differ from the reference by the same numbers: p is not adjusted for both."""
    same, other = interval([-0.05, -0.11, -0.09]), interval([-0.02, 0.01, -0.03])
    tested = {label: Difference(gaps, None, paired_t_test(gaps.values)) for label, gaps in
              (("lora", same), ("pfeiffer", same), ("replay", other))}  # fmt: skip
    family = in_family(tested)
    assert [difference.family for difference in family.values()] == [2, 2, 2]
    assert family["lora"].adjusted == family["pfeiffer"].adjusted == pytest.approx(2 * tested["lora"].p)
    alone = in_family({label: tested[label] for label in ("lora", "pfeiffer")})
    assert alone["lora"].adjusted == alone["pfeiffer"].adjusted == tested["lora"].p


def test_a_sum_in_another_order_or_a_mirrored_pair_is_no_further_hypothesis() -> None:
    first, again = [0.1 + 0.2, 0.4, 0.0], [0.3, 0.4, 0.0]  # 0.1 + 0.2 is not 0.3 to the last bit
    assert first != again
    tested = {
        label: Difference(interval(gaps), None, paired_t_test(gaps))
        for label, gaps in (("a", first), ("b", again), ("c", [-gap for gap in again]), ("d", [0.1, 0.2, 0.15]))
    }
    family = in_family(tested)
    assert {difference.family for difference in family.values()} == {2}
    assert len({family[label].adjusted for label in "abc"}) == 1
    assert family["c"].reading != family["a"].reading or family["a"].reading == UNDECIDED


def test_verdict_table_and_document_tell_one_story(record: Record) -> None:
    """Nothing is higher in one place that another calls undecided."""

    def shifted(outcome: StageOutcome) -> StageOutcome:
        if outcome.label != "full-sequential":
            return outcome
        cells = (replace(cell, score=cell.score + 0.15 * (outcome.seed - 1)) for cell in outcome.cells)
        return replace(outcome, cells=tuple(cells))

    noisy = replace(record, outcomes=tuple(map(shifted, record.outcomes)))
    for changed in (record, noisy):
        report = summarise(changed)
        first = next(strategy for strategy in report.strategies if strategy.differences)
        comparison = report.as_json()["strategies"][first.label]["comparison"]
        (table,) = (table for table in present(report).tables if table.name == "differences")
        (row,) = (row for row in table.rows if row[0].text == first.label)
        readings = [difference.reading for difference in first.differences.values()]
        assert [cell.badge for cell in row[1:4]] == readings
        assert [comparison[name]["reading"] for name in first.differences] == readings
        assert sum("undecided" in line for line in report.evidence) == readings.count(UNDECIDED)
        undecided = f"Which of {first.label} and full-sequential forgets less is undecided"
        assert (undecided in report.verdict) == (first.differences["forgetting"].reading == UNDECIDED)
        assert not row[4].badge, "the interval over examples says nothing of its own"
    assert UNDECIDED in readings
