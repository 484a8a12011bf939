"""undo-merge: what answers once a merge is undone, and what `workbench repair` says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.repairs import CONTROL, REPAIRS, EndOfStream
from adapter_workbench.experiments.studies.repair import work as selection
from adapter_workbench.experiments.studies.repair.work import end_of_stream
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training import Lesson
from tests.conftest import Call
from tests.experiments.repair.conftest import repairs_of
from tests.messages import naming
from tests.runs import done

RECIPE = """name: undoing
backbone: {backbone}
tasks: [animals, halves, fruits]
seeds: [0, 1]
budget: {{epochs: 2, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  kept: {{strategy: merged, method: lora, learning_rate: 0.02, keep: 1, undo: 2}}
  plain: {{strategy: merged, method: lora, learning_rate: 0.02, keep: 1}}
  two: {{strategy: merged, method: lora, learning_rate: 0.02, keep: 2, undo: 1, pair: oldest}}
reference: isolated
"""


@pytest.fixture(scope="module")
def learned(bench: Workbench, plan: Any) -> Workbench:
    """The bench, whose stream has been run; nothing is logged."""
    done(plan, bench.workspace)
    return bench


def ends(bench: Workbench) -> list[EndOfStream]:
    """The streams that keep their merges, opened."""
    plan: Any = bench.repair_plan("undoing", ["undo-merge"], ["kept"])
    return [end_of_stream(plan, stream, bench.workspace, Silent()) for stream in plan.record.streams]


def answers(end: EndOfStream, model: TaskModel, task: Task) -> str:
    read = end.context.adaptation.backbone.tokenizer, end.context.budget.max_length
    return evaluate(model, task.splits["test"], len(task.labels), *read).logits_sha256


def test_an_undone_merge_answers_as_before_it_to_the_last_bit(learned: Workbench) -> None:
    entry = REPAIRS.get("undo-merge")
    for end in ends(learned):
        context = end.context
        late, early = entry.attempts(end, entry.settings())
        assert (late.chosen, early.chosen) == ({"stage": 3, "loras": 2}, {"stage": 2, "loras": 3})
        before = end.at(2)
        for task in context.tasks[:2]:
            now = answers(end, end.model(late.shared, task), task)
            assert now == answers(before, before.model(before.standing(), task), task)
            assert now != answers(end, end.model(end.standing(), task), task), "the merge had changed it"
        for task in context.tasks:
            lesson = Lesson(task, context.adaptation, context.budget, context.seed)
            alone = context.workspace.trained_adapter(lesson, Silent(), "test")
            expected = answers(end, open_adapter(alone, context.adaptation.backbone), task)
            assert answers(end, end.model(early.shared, task), task) == expected
        assert end.as_learned is None
        assert end.at(1).as_learned == "animals"


def test_a_merge_is_undone_where_that_validates_better(
    learned: Workbench, monkeypatch: pytest.MonkeyPatch, call: Call, study_folder: Path
) -> None:
    real = repairs_of(learned, "undoing", ["undo-merge"], ["kept"], ["undo-merge.stage=3"])
    for made in real.entries["kept"][1].cells:
        stream, repaired = made.stream, made.repaired
        assert repaired is not None
        assert repaired.attempts == 1
        assert repaired.validation is not None
        assert bool(repaired.chosen) == (repaired.validation > repaired.unrepaired)
        assert repaired.chosen or repaired.scores == stream.kept

    validated = iter([0.5, 0.4, 0.6, 0.5, 0.6, 0.4])  # in each replication: nothing, stage 3, stage 2

    def standing(end: Any, *_: Any) -> dict[str, float]:
        return dict.fromkeys([task.name for task in end.context.tasks], next(validated))

    monkeypatch.setattr(selection, "_validation", standing)
    report = repairs_of(learned, "undoing", ["undo-merge"], ["kept"], ["control=false"])
    strategies = {strategy.label: strategy for strategy in learned.report("undoing").strategies}  # type: ignore[attr-defined]
    alone, merged = (
        {replication.seed: replication.matrix for replication in strategies[name].replications}
        for name in ("isolated", "kept")
    )
    undone: Any = {made.stream.seed: made.repaired for made in report.entries["kept"][1].cells}
    assert undone[0].chosen == {"stage": 2, "loras": 3}
    assert [*undone[0].scores.values()] == [*alone[0][3]]
    assert undone[1].chosen == {"stage": 3, "loras": 2}
    assert [*undone[1].scores.values()] == [*merged[1][2][:2], alone[1][3][2]]

    options = ["--workspace", str(study_folder / "space"), "--tasks", str(study_folder / "tasks")]
    code, out, err = call("repair", "undoing", "--method", "undo-merge", "--strategy", "kept", *options)
    assert code == 0, err
    words = " ".join(out.split())
    assert "undo-merge of kept" in words
    assert " ".join(report.verdict.split()) in words


def test_tasks_that_had_no_part_in_a_merge_are_not_asked_again(
    learned: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = selection.validation_score

    def counted(model: TaskModel, task: Task, *more: Any) -> float:
        asked.append(task.name)
        return real(model, task, *more)

    monkeypatch.setattr(selection, "validation_score", counted)
    report = repairs_of(learned, "undoing", ["undo-merge"], ["two"], ["control=false"])
    assert asked == ["animals", "halves", "fruits", "animals", "halves"] * 2
    for made in report.entries["two"][1].cells:
        stream, repaired = made.stream, made.repaired
        assert repaired is not None
        assert repaired.chosen in ({}, {"stage": 3, "loras": 3})
        assert repaired.scores["fruits"] == stream.kept["fruits"]
    assert "fruits" not in report.moved("two")


def test_what_cannot_be_undone_is_refused(learned: Workbench) -> None:
    with pytest.raises(InputError, match=naming("'plain' is merged", "(undo: N")):
        repairs_of(learned, "undoing", strategies=["plain"])
    with pytest.raises(InputError, match="no merge of stage 9 was kept") as refused:
        repairs_of(learned, "undoing", ["undo-merge"], ["kept"], ["undo-merge.stage=9"])
    assert "2, 3" in str(refused.value.hint)
    others = [name for name in REPAIRS.names() if name not in ("undo-merge", CONTROL)]
    report = repairs_of(learned, "undoing", others)
    assert [*report.entries] == ["kept", "two"], "the others have nothing to undo"
    for entry in report.as_json()["strategies"].values():
        assert entry["refused"] == dict.fromkeys(others, "its tasks share several LoRAs, and no one body")
