"""What the page says of probes; expected values follow by hand from ``probe_values`` in conftest.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.stream.page.gallery import draw, figures
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.page.sentences import spurious_sentences
from adapter_workbench.experiments.studies.stream.results.probe_summaries import (
    OF_WEIGHTS,
    PANELS,
    profiles,
    spurious,
    summaries,
)
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.results.verdict import headline
from adapter_workbench.workbench.probes import PROBES

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome


def means(report: Report, index: int) -> dict[str, dict[int, float]]:
    return {
        label: {layer: value.mean for layer, value in line.items()}
        for label, line in profiles(report, PANELS[index]).items()
    }


def test_representation_forgetting_is_what_a_linear_probe_lost(replicated_report: Report) -> None:
    # two stages after the first task, one after the second: 0.02 · layer · (2 + 1) / 2
    forgetting = means(replicated_report, 0)
    assert forgetting["sequential"] == pytest.approx({0: 0.0, 1: 0.03, 2: 0.06})
    assert forgetting["isolated"] == pytest.approx({0: 0.0, 1: 0.0, 2: 0.0})


def test_similarity_is_that_of_earlier_tasks_after_the_last_stage(replicated_report: Report) -> None:
    # 0.1 · layer · 1.5, and 0.02 · layer with one of two seeds
    assert means(replicated_report, 1)["sequential"] == pytest.approx({0: 1.0, 1: 0.84, 2: 0.68})


def test_drift_and_intruders_are_of_the_last_stage(replicated_report: Report) -> None:
    assert means(replicated_report, 2)["sequential"] == pytest.approx({0: 0.0, 1: 0.033, 2: 0.066})
    assert means(replicated_report, 3)["sequential"] == pytest.approx({1: 3.0, 2: 6.5})


def test_a_probe_that_a_stage_lacks_is_not_averaged_away(replicated: Record) -> None:
    def without(outcome: StageOutcome) -> StageOutcome:
        kept = {name: value for name, value in outcome.probes.get("linear", {}).items() if name != "a/layer-1"}
        return replace(outcome, probes={**outcome.probes, "linear": kept}) if outcome.stage == 3 else outcome

    report = summarise(replace(replicated, outcomes=tuple(without(outcome) for outcome in replicated.outcomes)))
    assert 1 not in means(report, 0)["sequential"]
    assert means(report, 0)["sequential"][2] == pytest.approx(0.06)


def test_what_belongs_to_no_layer_is_averaged_over_tasks(replicated_report: Report) -> None:
    probes = summaries(replicated_report.strategies[1], replicated_report.record.tasks)
    assert probes["knn", "knn"].mean == pytest.approx(0.79)
    assert probes["agreement", "changed"].mean == pytest.approx(0.15), "the last task has none"
    assert probes["weight-drift", "relative-norm"].mean == pytest.approx(0.06)
    assert probes["general-loss", "increase"].mean == pytest.approx(0.3)
    assert probes["intruder", "total"].mean == 3.0
    assert not [key for key in probes if "layer" in key[1] or key[0] in ("linear", "cka")]


def test_spurious_forgetting_is_said_where_heads_fitted_anew_lose_at_most_half(replicated_report: Report) -> None:
    by_label = {strategy.label: strategy for strategy in replicated_report.strategies}
    # own heads lose 0.1 · 1.5 and 0.2 · 1.5; a head fitted anew is 5 points lower both times and recovers 0.06 · 1.5
    assert spurious(by_label["sequential"]) == pytest.approx((0.225, 0.135))
    # own heads lose 0.02 · 1.5 and 0.04 · 1.5; a head fitted anew recovers 0.03 · 1.5
    assert spurious(by_label["replay"]) == pytest.approx((0.045, 0.0))
    assert spurious(by_label["isolated"]) is None, "nothing was lost"
    page = drawn_page(present(replicated_report), {})
    assert "replay: by the end its heads had lost 4.5 points on earlier tasks" in page
    assert "sequential: by the end its heads" not in page


def test_a_loss_that_a_sentence_cannot_show_is_not_called_forgetting(replicated_report: Report) -> None:
    losses = {"replay": (0.0004, 0.0), "sequential": (0.02, 0.0)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "adapter_workbench.experiments.studies.stream.page.sentences.spurious", lambda row: losses.get(row.label)
        )
        (sentence,) = spurious_sentences(replicated_report)
    assert sentence.startswith("sequential: by the end its heads had lost 2.0 points")


def test_heads_that_choose_among_other_labels_are_not_compared(replicated_report: Report) -> None:
    """The own head of a class-incremental stream may answer with labels of later tasks, the new one may not."""
    record = replace(replicated_report.record, scenario="class-incremental")
    assert spurious_sentences(replicated_report)
    assert not spurious_sentences(replace(replicated_report, record=record))


def test_panels_and_lines_are_those_that_were_measured(replicated: Record, replicated_report: Report) -> None:
    figure = draw("probes-by-layer", replicated_report)
    assert figure
    assert [axes.get_title(loc="left") for axes in figure.axes] == [panel.title for panel in PANELS]
    only = {"linear": replicated.outcomes[0].probes["linear"], "knn": {}}
    bare = summarise(
        replace(replicated, outcomes=tuple(replace(outcome, probes={}) for outcome in replicated.outcomes))
    )
    assert [figure.name for figure in figures(bare) if figure.draw()] == [
        "frontier",
        "accuracy-matrices",
        "forgetting-curves",
        "learning-versus-forgetting",
        "accuracy-over-storage",
    ]
    assert "Probes after the last stage" not in drawn_page(present(bare), {})
    first = tuple(replace(outcome, probes=only) if outcome.stage == 1 else outcome for outcome in replicated.outcomes)
    assert draw("probes-by-layer", summarise(replace(replicated, outcomes=first)))


def test_the_verdict_is_about_an_entry_of_the_recipe(replicated_report: Report) -> None:
    strategy = headline(replicated_report.strategies)
    assert strategy is not None
    assert strategy.label == "isolated"


def test_a_task_of_the_harness_may_have_the_name_of_one_of_the_stream(replicated: Record) -> None:
    scores = {"lm-eval": {"b/acc": 0.7, "arc-easy/acc": 0.5}}
    outcomes = tuple(replace(outcome, probes={**outcome.probes, **scores}) for outcome in replicated.outcomes)
    report = summarise(replace(replicated, outcomes=outcomes))
    shown = summaries(report.strategies[1], report.record.tasks)
    assert {name: value.mean for (probe, name), value in shown.items() if probe == "lm-eval"} == pytest.approx(
        {"b/acc": 0.7, "arc-easy/acc": 0.5}
    )


def test_probes_of_weights_are_those_that_say_so() -> None:
    assert {name for name in PROBES.names() if PROBES.get(name).scope == "model"} == OF_WEIGHTS
