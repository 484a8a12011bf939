"""What each merge cost: from the accuracy matrix, from which tasks share an adapter, and the isolated one beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapter_workbench.experiments.reporting.presentation import Sentences, Table
from adapter_workbench.experiments.studies.stream.page.present import merge_sentences, merge_table, present
from adapter_workbench.experiments.studies.stream.results.merges import Merge
from adapter_workbench.experiments.studies.stream.results.report import Report
from tests.runs import stream_of

ENTRIES = {
    "both": "{strategy: merged, method: lora, learning_rate: 0.02, keep: 1}",
    "alone": "{strategy: isolated, method: lora, learning_rate: 0.02}",
    "slower": "{strategy: merged, method: lora, learning_rate: 0.01, keep: 2, pair: oldest}",
}


@pytest.fixture(scope="module")
def report(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return stream_of(
        tmp_path_factory.mktemp("merges"), bert, ENTRIES, "seeds=[0]", "budget.epochs=1", "reference=alone"
    )


def test_each_merge_has_its_parts_and_what_its_tasks_lost(report: Report) -> None:
    both, alone, slower = report.strategies
    first, second = report.merges(both)
    assert (first.stage, first.parts) == (2, (("animals",), ("halves",)))
    assert (second.stage, second.parts) == (3, (("animals", "halves"), ("fruits",)))
    matrix, own = both.replications[0].matrix, alone.replications[0].matrix
    assert second.lost == {
        "animals": matrix[2][0] - matrix[3][0],  # type: ignore[operator]
        "halves": matrix[2][1] - matrix[3][1],  # type: ignore[operator]
        "fruits": own[3][2] - matrix[3][2],  # type: ignore[operator]
    }
    assert second.mean == pytest.approx(sum(second.lost.values()) / 3)  # type: ignore[arg-type]
    assert not report.merges(alone)

    (only,) = report.merges(slower)
    assert (only.stage, only.parts) == (3, (("animals",), ("halves",)))
    assert set(only.lost) == {"animals", "halves"}
    assert None not in only.lost.values()


def test_a_new_task_is_compared_with_an_adapter_that_was_learned_alike_or_with_none(report: Report) -> None:
    both, _, slower = report.strategies
    merge = report.merges(both)[0]
    assert merge.lost["halves"] is not None
    without = replace(report, strategies=(both, slower))
    assert without.merges(both)[0].lost["halves"] is None, "nobody learned it alone at the same learning rate"


def test_the_report_has_them_as_a_table_a_sentence_and_json(report: Report) -> None:
    blocks = present(report).blocks
    (table,) = (block for block in blocks if isinstance(block, Table) and block.name == "merges")
    assert [row[3].text for row in table.rows] == ["animals | halves", "animals, halves | fruits", "animals | halves"]
    sentences = [
        item for block in blocks if isinstance(block, Sentences) for item in block.items if "cost most" in item
    ]
    assert [sentence.split(",")[0] for sentence in sentences] == ["both: 2 merges", "slower: 1 merge"]
    document = report.as_json()["strategies"]
    assert [merge["stage"] for merge in document["both"]["merges"]] == [2, 3]
    assert "merges" not in document["alone"]


def test_of_many_strategies_those_whose_merges_cost_least_and_most_are_named(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {f"way-{number}": number / 10 for number in range(9)}
    ways = [SimpleNamespace(label=label) for label in costs]
    many = SimpleNamespace(
        strategies=ways, merges=lambda strategy: [Merge(0, 0, 3, (("a",), ("b",)), {"a": costs[strategy.label]})]
    )
    *sentences, last = merge_sentences(many)  # type: ignore[arg-type]
    assert [sentence.split(":")[0] for sentence in sentences] == [f"way-{number}" for number in (0, 1, 2, 6, 7, 8)]
    assert last == "Of 3 more strategies that merge, the page lists every merge."


def test_merges_of_many_tasks_that_were_not_all_measured_are_told_in_a_line(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = [
        Merge(0, 0, 7, (("a", "b", "c", "d", "e", "f"), ("g",)), {"a": 0.25}),
        Merge(0, 0, 8, (("a", "b", "c", "d"), ("h",)), {"a": None}),
    ]
    monkeypatch.setattr(Report, "merges", lambda self, strategy: merges if strategy.label == "both" else [])
    assert merge_sentences(report) == [
        "both: 2 merges, of which 1 was measured, at 25.0 points a task in the mean; the one at stage 7 of seed 0 "
        "(a, b, c and 3 more | g) cost most: 25.0."
    ]
    table = merge_table(report)
    assert table
    assert [row[3].text for row in table.rows] == ["a, b, c and 3 more | g", "a, b, c, d | h"]
