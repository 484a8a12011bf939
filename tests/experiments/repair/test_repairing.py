"""`workbench repair`: from an experiment in a workspace to what repairs bring back of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.core.rows import Row
from adapter_workbench.experiments.studies.repair import work as selection
from adapter_workbench.experiments.studies.repair.record import NOTHING, Entry, LearnedStream, Repaired, RepairRecord
from adapter_workbench.experiments.studies.repair.report import METRICS, RepairReport, Replicated, summarise
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.experiments.repair.conftest import repairs_of
from tests.messages import naming
from tests.runs import done

RECIPE = """name: tiny
backbone: {backbone}
tasks: [animals, halves, fruits]
seeds: [0, 1]
budget: {{epochs: 2, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  shared: {{strategy: sequential, method: lora, learning_rate: 0.02}}
reference: isolated
"""


@pytest.fixture(scope="module")
def learned(bench: Workbench, plan: Any) -> Workbench:
    """The bench, whose stream has been run; nothing is logged."""
    done(plan, bench.workspace)
    return bench


def test_repairs_are_reported_beside_doing_nothing(
    learned: Workbench, monkeypatch: pytest.MonkeyPatch, call: Call, study_folder: Path
) -> None:
    report = repairs_of(learned, "tiny", ["refit-head", "merge-back"], assignments=["merge-back.shares=[0.5]"])
    assert report.complete
    ((nothing, *_),) = report.entries.values()
    strategies = learned.report("tiny").strategies  # type: ignore[attr-defined]
    metrics = next(strategy for strategy in strategies if strategy.label == "shared").metrics
    assert nothing.over(Replicated.average).values == pytest.approx(metrics["average_accuracy"].values)
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))["strategies"]["shared"]
    assert document["repairs"].keys() == {"refit-head", "merge-back"}
    for name, repair in document["repairs"].items():
        for before, after, chosen, scores in zip(
            document[NOTHING]["scores"],
            (validation["after"] - validation["before"] for validation in repair["validation"]),
            repair["chosen"],
            repair["scores"],
            strict=True,
        ):
            assert after >= 0, "doing nothing is one of the attempts"
            assert bool(chosen) == (after > 0)
            assert chosen or scores == before, name
        assert repair["attempts"] == [1, 1]

    monkeypatch.setattr(
        "adapter_workbench.experiments.studies.repair.work.repaired",
        lambda *_: pytest.fail("what is known is not made again"),
    )
    options = ["--workspace", str(study_folder / "space"), "--tasks", str(study_folder / "tasks")]
    chosen = ["--method", "refit-head,merge-back", "--set", "merge-back.shares=[0.5]"]
    code, out, err = call("repair", "tiny", *chosen, *options, "--json")
    assert code == 0, err
    printed, expected = json.loads(out), json.loads(json.dumps(report.as_json()))
    assert printed["experiment"] == "tiny", "the stream, as ever"
    assert printed["strategies"] == expected["strategies"]
    code, out, err = call("report", "tiny-repaired", *options[:2])
    assert code == 0, err
    words = " ".join(out.split())
    assert "repairs of tiny" in words
    assert " ".join(report.verdict.split()) in words


def test_the_test_splits_are_read_for_what_was_chosen_alone(
    learned: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = selection.evaluate_model
    monkeypatch.setattr(
        selection, "evaluate_model", lambda model, task, *more: read.append(task.name) or real(model, task, *more)
    )
    validated = iter([0.5, 0.4, 0.6, 0.5] * 2)  # nothing, and three attempts, in each of two replications

    def standing(end: Any, *_: Any) -> dict[str, float]:
        return dict.fromkeys([task.name for task in end.context.tasks], next(validated))

    monkeypatch.setattr(selection, "_validation", standing)
    monkeypatch.setattr(selection, "_require_same", lambda *_: None)
    report = repairs_of(
        learned, "tiny", ["merge-back"], assignments=["control=false", "merge-back.shares=[0.2, 0.4, 0.8]"]
    )
    assert [cell.chosen for cell in report.record.cells.values()] == [{"share": 0.4}] * 2
    assert read == ["animals", "halves", "fruits"] * 2


def test_other_weights_or_data_are_refused(learned: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(selection, "_validation", lambda *_: {"animals": 0.5, "halves": 0.5, "fruits": 0.1})
        with pytest.raises(InputError, match="'fruits' validates at"):
            repairs_of(learned, "tiny", ["merge-back"], assignments=["merge-back.shares=[0.3]"])
    workspace, record = learned.workspace, learned.workspace.records.require("tiny")
    other = replace(record, about={**record.about, "data": {**record.about["data"], "halves": "other"}})
    with monkeypatch.context() as patch:
        patch.setattr(workspace.records, "require", lambda _: other)
        with pytest.raises(InputError, match=naming("halves", "changed since")):
            repairs_of(learned, "tiny")
        unfinished = replace(record, finished=False)
        patch.setattr(workspace.records, "require", lambda _: unfinished)
        with pytest.raises(InputError, match="stream is not finished"):
            repairs_of(learned, "tiny")


def test_what_cannot_be_repaired_is_refused(learned: Workbench) -> None:
    with pytest.raises(InputError, match=naming("isolated: ", "no shared weights")):
        repairs_of(learned, "tiny", strategies=["isolated"])
    for given, match in [
        ({"strategies": ["shard"]}, "Did you mean shared"),
        ({"repairs": ["rewnd"]}, "Did you mean rewind"),
        ({"repairs": ["rewind"], "assignments": ["intruders.top_k=3"]}, "no repair called 'intruders'"),
        ({"repairs": ["rewind"], "assignments": ["rewind.share=0.5"]}, "Did you mean shares"),
    ]:
        with pytest.raises(InputError, match=match):
            repairs_of(learned, "tiny", **given)
    with pytest.raises(InputError, match="no experiment called 'tny'"):
        repairs_of(learned, "tny")


LEARNED, KEPT = {"a": 0.9, "b": 0.6, "c": 0.8}, {"a": 0.6, "b": 0.3, "c": 0.8}
MAJORITY = {"a": 0.5, "b": 0.2, "c": 0.1}


def came_to(scores: dict[str, float], validation: float, **chosen: float) -> Repaired:
    return Repaired(chosen, 3, 0.5, validation, scores, 1.0)


def report_of(majority: dict[str, float], **repaired: Repaired) -> RepairReport:
    """The report on an entry x with two seeds, each of which every repair brought to the same."""
    streams = tuple(
        LearnedStream("x", "sequential", "lora", seed, 0, (*LEARNED,), {3: "key"}, LEARNED, KEPT, {}) for seed in (0, 1)
    )
    record = RepairRecord(
        experiment="x-repaired",
        description="",
        backbone="tiny",
        seeds=(0, 1),
        reference=NOTHING,
        stream="x",
        scenario="task-incremental",
        tasks=(*LEARNED,),
        kinds={},
        budget={},
        majority=majority,
        test_sizes=dict.fromkeys(LEARNED, 100),
        streams=streams,
        entries=tuple(Entry(f"{name} of x", "x", name, name, {}) for name in repaired),
        cells={(f"{name} of x", seed, 0): cell for name, cell in repaired.items() for seed in (0, 1)},
    )
    return summarise(record)


def means(row: Row[Replicated]) -> dict[str, float | None]:
    return {metric.name: row.over(metric.read).mean for metric in METRICS}


def test_retention_is_what_is_left_of_what_was_learned_above_the_most_frequent_answer() -> None:
    """By hand: (0.6 − 0.5 + 0.3 − 0.2) ÷ (0.9 − 0.5 + 0.6 − 0.2) = 0.2 ÷ 0.8 before, 0.6 ÷ 0.8 after."""
    after = came_to({"a": 0.8, "b": 0.5, "c": 0.7}, 0.6, share=0.5)
    report = report_of(MAJORITY, rewind=after, intruders=came_to(KEPT, 0.5))
    nothing, rewind, _ = report.rows
    assert means(nothing) == pytest.approx(
        {"average_accuracy": 1.7 / 3, "earlier_accuracy": 0.45, "last_accuracy": 0.8, "retention": 0.25}
    )
    assert means(rewind) == pytest.approx(
        {"average_accuracy": 2 / 3, "earlier_accuracy": 0.65, "last_accuracy": 0.7, "retention": 0.75}
    )
    assert rewind.difference is not None
    assert rewind.difference.seeds.mean == pytest.approx(0.1)
    assert rewind.difference.family == 2
    assert report.best("x") == rewind
    assert report.moved("x") == {"a": (0.6, 0.8), "b": (0.3, 0.5), "c": (0.8, 0.7)}
    assert "retention over learning 25 % → 75 %." in report.verdict
    unlearned = report_of({**MAJORITY, "a": 0.9, "b": 0.6}, intruders=came_to(KEPT, 0.5))
    assert unlearned.best("x") is None
    assert not unlearned.moved("x")
    assert means(unlearned.rows[0])["retention"] is None, "nothing was learned that could be retained"
    assert "no repair validates better" in unlearned.verdict
