"""Seeds and orders as replications, every two strategies compared, and the frontier of learning rates.

Expected values follow by hand from ``score`` in conftest.py: sequential training loses 10 points of every earlier task
a stage in the recipe's order (a, b, c) and 20 in the other (c, a, b), replay 2 with seed 0 and 4 with seed 1.
"""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from adapter_workbench.experiments.reporting.files import figures
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.power import seeds_needed
from adapter_workbench.experiments.reporting.replications import over_replications, seed_means
from adapter_workbench.experiments.studies.core.quantity import as_json
from adapter_workbench.experiments.studies.core.tune import LearningRateTrial
from adapter_workbench.experiments.studies.stream.page.long_streams import losses
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.page.sentences import frontier_sentences
from adapter_workbench.experiments.studies.stream.results.quantities import COST, measuring
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.work.tuning import Tuning
from adapter_workbench.workbench.measures.statistics import holm, interval, seeds_for

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report


def values(report: Report, label: str, metric: str) -> list[float]:
    return report.as_json()["strategies"][label]["metrics"][metric]["values"]


def test_every_seed_with_every_order_is_one_replication(replicated_report: Report) -> None:
    # (0.2 + 0.1) / 2 in the first order, (0.4 + 0.2) / 2 in the second
    assert values(replicated_report, "sequential", "forgetting") == pytest.approx([0.15, 0.3, 0.15, 0.3])
    assert values(replicated_report, "replay", "forgetting") == pytest.approx([0.03, 0.03, 0.06, 0.06])
    assert values(replicated_report, "sequential", "average_accuracy") == pytest.approx([0.7, 0.6, 0.71, 0.61])
    assert values(replicated_report, "sequential", "transfer_gain") == [None] * 4


def test_a_replication_has_its_tasks_in_the_order_in_which_it_learned_them(replicated_report: Report) -> None:
    seeds = replicated_report.as_json(full=True)["strategies"]["sequential"]["seeds"]
    assert [(replication["seed"], replication["order"]) for replication in seeds] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert seeds[1]["tasks"] == ["c", "a", "b"]
    assert seeds[1]["matrix"][3] == pytest.approx((0.3, 0.7, 0.8))
    # best 0.7 and 0.9 less the majority classes of c (0.1) and a (0.2)
    assert seeds[1]["metrics"]["relative_forgetting"] == pytest.approx((0.4 / 0.6 + 0.2 / 0.7) / 2)


def test_test_sizes_follow_the_order(replicated: Record) -> None:
    sized = summarise(replace(replicated, test_sizes=(100, 200, 700)))
    accuracy = sized.strategies[1].replications[1].metrics["average_accuracy_micro"]
    assert accuracy == pytest.approx((700 * 0.3 + 100 * 0.7 + 200 * 0.8) / 1000)


def test_the_mean_matrix_is_that_of_the_recipes_own_order(replicated_report: Report) -> None:
    matrix = replicated_report.as_json()["strategies"]["sequential"]["matrix"]
    assert matrix[3] == pytest.approx((0.705, 0.705, 0.705))
    assert matrix[1][1:] == (None, None)


def test_what_an_order_does_not_change_is_no_further_replication(replicated_report: Report) -> None:
    isolated = replicated_report.as_json()["strategies"]["isolated"]["metrics"]["average_accuracy"]
    assert isolated["values"] == pytest.approx([0.8, 0.8, 0.81, 0.81])
    low, high = stats.t.interval(0.95, 1, 0.805, stats.sem([0.8, 0.81]))
    assert (isolated["low"], isolated["high"]) == pytest.approx((low, high))
    assert seed_means((0.1, 0.1), [0, 0]) == (0.1,)
    assert seed_means((0.1, 0.3, 0.3, 0.3), [0, 0, 1, 1]) == (0.2, 0.3)
    assert seed_means((None, 0.1, None), [0, 0, 1]) == (0.1, None)
    one_seed = over_replications((0.1, 0.1), [0, 0])
    assert (one_seed.mean, one_seed.low, one_seed.values) == (0.1, None, (0.1, 0.1))
    assert over_replications((0.1, None, 0.3), [0, 1, 2]) == interval([0.1, None, 0.3])


def test_baselines_are_of_the_same_seed_and_order(replicated: Record) -> None:
    lora = replace(replicated.entries[1], method="lora")
    replicated = replace(replicated, scenario="task-incremental")  # else there is no S[j]
    report = summarise(replace(replicated, entries=(replicated.entries[0], lora, *replicated.entries[2:])))
    assert values(report, "sequential", "transfer_gain") == pytest.approx([0.0] * 4, abs=1e-12)
    # R[j, j] of one order against S[j] of another would not vanish task by task
    drop = replace(
        replicated,
        entries=(replicated.entries[0], lora),
        outcomes=tuple(outcome for outcome in replicated.outcomes if (outcome.label, outcome.order) != ("isolated", 1)),
    )
    assert values(summarise(drop), "sequential", "transfer_gain")[1::2] == [None, None]


def test_another_learning_rate_is_no_row(replicated: Record, replicated_report: Report) -> None:
    document = json.loads(json.dumps(replicated_report.as_json(full=True), allow_nan=False))
    assert [*document["strategies"]] == ["isolated", "sequential", "replay"]
    assert [(pair["first"], pair["second"]) for pair in document["pairs"]] == [("isolated", "replay")]
    assert document["orders"] == [["a", "b", "c"], ["c", "a", "b"]]
    assert document["scenario"] == "domain-incremental"
    assert "1e-" not in replicated_report.verdict
    assert replicated_report.evidence[-1].startswith("Over 3 tasks and 2 seeds, each in 2 orders;")
    assert replicated_report.complete
    missing = tuple(outcome for outcome in replicated.outcomes if outcome.label != "replay-1e-04" or outcome.stage < 3)
    assert not summarise(replace(replicated, outcomes=missing)).complete


@pytest.fixture(scope="module")
def drawn(replicated: Record) -> Report:
    """Seed 0 learns a, b, c, and seed 1 learns c, a, b."""
    outcomes = tuple(outcome for outcome in replicated.outcomes if outcome.order == outcome.seed)
    return summarise(replace(replicated, order_per_seed=True, outcomes=outcomes))


def test_a_seed_with_its_own_order_is_one_replication(drawn: Report) -> None:
    assert values(drawn, "sequential", "forgetting") == pytest.approx([0.15, 0.3])
    assert values(drawn, "replay", "average_accuracy") == pytest.approx(
        [fmean(replication.matrix[-1]) for replication in drawn.strategies[2].replications]  # type: ignore[arg-type]
    )
    document = drawn.as_json(full=True)
    assert document["order_per_seed"] is True
    seeds = document["strategies"]["sequential"]["seeds"]
    assert [(seed["seed"], seed["order"], seed["tasks"][0]) for seed in seeds] == [(0, 0, "a"), (1, 1, "c")]
    assert drawn.evidence[-1].startswith("Over 3 tasks and 2 seeds, each in its own order;")
    assert drawn.complete


def test_columns_of_a_mean_matrix_are_tasks_whatever_the_order(drawn: Report) -> None:
    sequential = drawn.strategies[1]
    assert sequential.replications[1].matrix[3] == pytest.approx((0.31, 0.71, 0.81)), "of c, a, b"
    assert sequential.matrix[3] == pytest.approx((0.705, 0.755, 0.505)), "with 0.7 for all three in the other order"
    assert sequential.matrix[1] == pytest.approx((0.9, None, 0.71)), "each task by the one seed that had learned it"
    assert sequential.statuses[1] == ("measured", None, "measured")
    lost = {loss.task: (sorted(loss.stages), loss.lost) for loss in losses(sequential, drawn.record.tasks)}
    assert lost == {
        "a": ([1, 2], pytest.approx((0.2 + 0.2) / 2)),
        "b": ([2], pytest.approx(0.1)),  # seed 1 learned it last
        "c": ([1], pytest.approx(0.4)),
    }


def test_a_page_says_that_each_seed_had_its_own_order(drawn: Report) -> None:
    presentation = present(drawn)
    page = drawn_page(presentation, figures(presentation)).replace("\u00a0", " ").replace("&#39;", "'")
    assert "Each seed learns the tasks in its own order." in page
    assert "the recipe's order" not in page
    assert "recipe's own order" not in page
    assert "Dashed" not in page
    assert "order 1, of seed 1" in page
    assert "c → a → b" in page
    run = run_record(presentation)
    child = next(child for child in run.children if child.name == "sequential, seed 1")
    assert child.key.endswith("/sequential/1"), "as it stays when seeds are added before or after"
    assert child.params["tasks"] == "c, a, b"


def test_pairs_are_tested_over_replications_and_adjusted(replicated_report: Report) -> None:
    document = replicated_report.as_json()
    declared = {
        (label, "sequential"): strategy["comparison"]["forgetting"]
        for label, strategy in document["strategies"].items()
        if strategy["comparison"]
    }
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"]) == ("isolated", "replay"), "the pair that no recipe declares"
    # a seed is one value, its mean over both orders: −0.225 twice for isolated, so that the spread is that of rounding
    # to one of 1,000 test examples, over two tasks; −0.195 and −0.165 for replay
    floor = 1 / (2 * 1000) / 12**0.5
    chances = [2 * stats.t.cdf(-0.225 / floor * 2**0.5, 1), 2 * stats.t.cdf(-0.18 / 0.015, 1)]
    assert [gap["p"] for gap in declared.values()] == pytest.approx(chances)
    assert [gap["p_holm"] for gap in declared.values()] == holm([gap["p"] for gap in declared.values()])
    assert declared["isolated", "sequential"]["reading"] == "lower"
    # −0.03 and −0.06 once each: t = −0.045 / 0.015 with one degree of freedom
    assert pair["forgetting"]["p"] == pair["forgetting"]["p_holm"] == pytest.approx(2 * stats.t.cdf(-3, 1))
    assert pair["forgetting"]["reading"] == "undecided"


def test_seeds_that_are_needed_go_by_the_spread_of_seeds(replicated_report: Report) -> None:
    replay = replicated_report.declared["replay"]
    by_seed = seed_means(replay.seeds.values, replay.of_seeds)
    assert replay.estimate
    needed = seeds_for(0.01, stats.tstd(by_seed), replay.family, fixed=replay.estimate.fixed)
    assert seeds_needed(replay, 0.01) == needed


def test_the_frontier_holds_every_rate_and_what_validation_says(replicated_report: Report) -> None:
    frontier = replicated_report.as_json()["frontier"]
    assert [*frontier] == ["sequential", "replay"]
    points = frontier["sequential"]
    assert [point["learning_rate"] for point in points] == [1e-5, 2e-5, 1e-4]
    assert [point["chosen"] for point in points] == [False, True, False]
    assert [point["single_task_validation"] for point in points] == pytest.approx([0.85, 0.91, 0.93])
    assert [point["forgetting"]["mean"] for point in points] == pytest.approx([0.1125, 0.225, 0.3375])
    assert {"label", "learning_accuracy", "average_accuracy"} <= set(points[0])


def test_the_page_says_which_rate_validation_picks(replicated: Record, replicated_report: Report) -> None:
    presentation = present(replicated_report)
    page = drawn_page(presentation, figures(presentation)).replace("\u00a0", " ").replace("&#39;", "'")
    assert (
        "sequential: single-task validation picks learning rate 0.0001 (93.0 %), but all tables and the verdict are "
        "drawn from the recipe's own rate 2e-05 (91.0 %)."
    ) in page
    assert "replay: single-task validation picks learning rate 2e-05 (90.0 %), which is the rate" in page
    assert "the recipe's own order of the stream; the tables count all 2 orders" in page
    waiting = replace(
        replicated, outcomes=tuple(outcome for outcome in replicated.outcomes if outcome.label != "replay-1e-04")
    )
    assert "replay: single-task validation cannot pick a learning rate yet" in " ".join(
        frontier_sentences(summarise(waiting))
    )


def test_a_rate_that_failed_is_named_and_not_waited_for(replicated: Record) -> None:
    fine = LearningRateTrial(2e-5, 0.9, -0.3, 1.0)
    tried = (fine, replace(fine, learning_rate=1e-5, validation=0.8), LearningRateTrial(1e-4, None, None, 1.0))
    tuned = summarise(replace(replicated, tunings={"sequential": Tuning(tried, 2e-5)}))
    frontier = tuned.frontier["sequential"]
    assert frontier.picked is frontier.chosen
    assert frontier_sentences(tuned)[0] == (
        "sequential: single-task validation picks learning rate 2e-05 (90.0 %), which is the rate that all tables and "
        "the verdict are drawn from. When it was tried, training failed at 0.0001."
    )


def test_rates_are_compared_in_the_replications_that_all_have_begun(replicated: Record) -> None:
    worse = tuple(
        replace(outcome, validation=0.1) if outcome.seed == 1 else outcome
        for outcome in replicated.outcomes
        if (outcome.label, outcome.seed) != ("sequential-1e-05", 1)
    )
    points = summarise(replace(replicated, outcomes=worse)).frontier["sequential"].points
    assert [point.validation for point in points] == pytest.approx([0.85, 0.91, 0.93])


def test_runs_of_all_replications_are_logged(replicated: Record, replicated_report: Report) -> None:
    run = run_record(present(replicated_report))
    names = [child.name for child in run.children]
    assert len(names) == len({child.key for child in run.children}) == 24
    child = run.children[names.index("sequential, seed 1, order 1")]
    points = {(name, step): value for name, value, step in child.metrics}
    assert points["accuracy/c", 3] == pytest.approx(0.31)
    assert child.params["tasks"] == "c, a, b"
    assert child.tags["scenario"] == run.tags["scenario"] == "domain-incremental"
    assert run.children[names.index("replay-1e-04, seed 0, order 0")].tags["frontier"] == "replay"
    assert not any(name.startswith("replay-1e-04") for name, _, _ in run.metrics)
    assert run.key == replicated.identity, "whatever determines its numbers"


def test_the_share_of_time_that_measuring_took(replicated_report: Report) -> None:
    strategy = replicated_report.strategies[1]
    # 3 stages of 10 s training and 3 s probes; 1 + 2 + 3 cells of 1 s
    cost = as_json(COST, strategy)["cost"]
    assert (cost["train_seconds"], cost["evaluate_seconds"], cost["probe_seconds"]) == (30.0, 6.0, 9.0)
    assert measuring(strategy) == pytest.approx(15 / 45)
    assert replicated_report.as_json()["strategies"]["replay"]["cost"]["probe_seconds"] == 9.0
    assert "33\u00a0%" in drawn_page(present(replicated_report), {})
