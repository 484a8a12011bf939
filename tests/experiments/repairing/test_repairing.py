"""`workbench repair`: from an experiment in a workspace to what repairs bring back of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.api import Workbench
from experiments.repairing import selection
from experiments.repairing.report import NOTHING, EntryReport
from experiments.repairing.streams import LearnedStream
from experiments.studies.stream.plan.entry import Entry
from experiments.workspace.repaired import Repaired
from tests.conftest import Call
from tests.messages import naming
from tests.runs import done
from workbench.errors import InputError, UnknownNameError
from workbench.measures.granularity import score_step

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
    learned: Workbench, monkeypatch: pytest.MonkeyPatch, call: Call, place: Path
) -> None:
    report = learned.repair("tiny", ["refit-head", "merge-back"], assignments=["merge-back.shares=[0.5]"])
    (entry,) = report.entries
    strategies = learned.report("tiny").strategies  # type: ignore[attr-defined]
    metrics = next(strategy for strategy in strategies if strategy.label == "shared").metrics
    assert entry.metrics[NOTHING]["average_accuracy"].values == pytest.approx(metrics["average_accuracy"].values)
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

    monkeypatch.setattr(selection, "_made", lambda *_: pytest.fail("what is known is not made again"))
    again = learned.repair("tiny", ["refit-head", "merge-back"], assignments=["merge-back.shares=[0.5]"])
    assert again.as_json() == report.as_json()
    options = ["--workspace", str(place / "space"), "--tasks", str(place / "tasks")]
    chosen = ["--method", "refit-head,merge-back", "--set", "merge-back.shares=[0.5]"]
    code, out, err = call("repair", "tiny", *chosen, *options, "--json")
    assert (code, json.loads(out)) == (0, json.loads(json.dumps(report.as_json()))), err
    code, out, err = call("repair", "tiny", *chosen, *options)
    assert code == 0, err
    words = " ".join(out.split())
    assert "repairs of shared (sequential, lora)" in words
    assert entry.verdict in words


def test_the_test_splits_are_read_for_what_was_chosen_alone(
    learned: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = selection.test
    monkeypatch.setattr(
        selection, "test", lambda model, task, *more: read.append(task.name) or real(model, task, *more)
    )
    validated = iter([0.5, 0.4, 0.6, 0.5] * 2)  # nothing, and three attempts, in each of two replications

    def standing(end: Any, *_: Any) -> dict[str, float]:
        return dict.fromkeys([task.name for task in end.context.tasks], next(validated))

    monkeypatch.setattr(selection, "_validation", standing)
    monkeypatch.setattr(selection, "_require_same", lambda *_: None)
    (entry,) = learned.repair("tiny", ["merge-back"], assignments=["merge-back.shares=[0.2, 0.4, 0.8]"]).entries
    assert [repaired.chosen for repaired in entry.repaired["merge-back"]] == [{"share": 0.4}] * 2
    assert read == ["animals", "halves", "fruits"] * 2


def test_other_weights_or_data_are_refused(learned: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(selection, "_validation", lambda *_: {"animals": 0.5, "halves": 0.5, "fruits": 0.1})
        with pytest.raises(InputError, match="'fruits' validates at"):
            learned.repair("tiny", ["merge-back"], assignments=["merge-back.shares=[0.3]"])
    workspace, record = learned.workspace, learned.workspace.records.require("tiny")
    other = replace(record, about={**record.about, "data": {**record.about["data"], "halves": "other"}})
    with monkeypatch.context() as patch:
        patch.setattr(workspace.records, "require", lambda _: other)
        with pytest.raises(InputError, match=naming("halves", "changed since")):
            learned.repair("tiny")
        unfinished = replace(record, finished=False)
        patch.setattr(workspace.records, "require", lambda _: unfinished)
        with pytest.raises(InputError, match="stream is not finished"):
            learned.repair("tiny")


def test_what_cannot_be_repaired_is_refused(learned: Workbench) -> None:
    with pytest.raises(InputError, match=naming("isolated: ", "no shared weights")):
        learned.repair("tiny", strategies=["isolated"])
    for given, match in [
        ({"strategies": ["shard"]}, "Did you mean shared"),
        ({"repairs": ["rewnd"]}, "Did you mean rewind"),
        ({"repairs": ["rewind"], "assignments": ["intruders.top_k=3"]}, "no repair called 'intruders'"),
        ({"repairs": ["rewind"], "assignments": ["rewind.share=0.5"]}, "Did you mean shares"),
    ]:
        with pytest.raises(InputError, match=match):
            learned.repair("tiny", **given)
    with pytest.raises(UnknownNameError, match="no experiment called 'tny'"):
        learned.repair("tny")


def stream(learned: dict[str, float], kept: dict[str, float], seed: int) -> LearnedStream:
    return LearnedStream(Entry("x", "sequential", "lora", {}), seed, 0, {}, learned, kept, {})


def came_to(scores: dict[str, float], validation: float, **chosen: float) -> Repaired:
    return Repaired(chosen, 3, 0.5, validation, scores, 1.0)


def test_retention_is_what_is_left_of_what_was_learned_above_the_most_frequent_answer() -> None:
    """By hand: (0.6 − 0.5 + 0.3 − 0.2) ÷ (0.9 − 0.5 + 0.6 − 0.2) = 0.2 ÷ 0.8 before, 0.6 ÷ 0.8 after."""
    learned, kept = {"a": 0.9, "b": 0.6, "c": 0.8}, {"a": 0.6, "b": 0.3, "c": 0.8}
    after = {"a": 0.8, "b": 0.5, "c": 0.7}
    streams = (stream(learned, kept, 0), stream(learned, kept, 1))
    majority = {"a": 0.5, "b": 0.2, "c": 0.1}
    repaired = {"rewind": (came_to(after, 0.6, share=0.5), came_to(after, 0.6, share=0.5))}
    entry = EntryReport(
        streams, majority, {**repaired, "intruders": (came_to(kept, 0.5),) * 2}, {}, score_step([100] * 3)
    )
    means = {name: {metric: value.mean for metric, value in metrics.items()} for name, metrics in entry.metrics.items()}
    assert means[NOTHING] == pytest.approx(
        {"average_accuracy": 1.7 / 3, "earlier_accuracy": 0.45, "last_accuracy": 0.8, "retention": 0.25}
    )
    assert means["rewind"] == pytest.approx(
        {"average_accuracy": 2 / 3, "earlier_accuracy": 0.65, "last_accuracy": 0.7, "retention": 0.75}
    )
    assert entry.gains["rewind"].seeds.mean == pytest.approx(0.1)
    assert entry.gains["rewind"].family == 2
    assert entry.best == "rewind"
    assert entry.moved == {"a": (0.6, 0.8), "b": (0.3, 0.5), "c": (0.8, 0.7)}
    assert entry.verdict.endswith("retention over learning 25 % → 75 %.")
    nothing = EntryReport(streams, {**majority, "a": 0.9, "b": 0.6}, {"intruders": (came_to(kept, 0.5),) * 2}, {})
    assert nothing.best is None
    assert not nothing.moved
    assert nothing.metrics[NOTHING]["retention"].mean is None, "nothing was learned that could be retained"
    assert "no repair validates better" in nothing.verdict
