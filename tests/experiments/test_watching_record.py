"""The record of a watched training: it goes on with what the training is now, and is never another training's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.history.experiment_difference import difference_of
from adapter_workbench.experiments.history.present_difference import present
from adapter_workbench.experiments.studies.watched.record import WatchedStage
from adapter_workbench.experiments.watching.recording import Recording
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.evaluation import Evaluation
from adapter_workbench.workbench.errors import InputError

ABOUT = {"rows": 2}


def begun(folder: Path, step: int = 0, name: str = "out", **about: Any) -> Recording:
    return Recording.begin(Workspace(folder / "ws"), name, {**ABOUT, **about}, step, lambda _: None)


def measured(recording: Recording, step: int, correct: Sequence[bool], put_back: bool = False) -> None:
    outcomes = pd.DataFrame({"id": ["a", "b"], "correct": correct})
    score = sum(correct) / len(correct)
    stage = WatchedStage(step, step / 4, {"words": score}, {}, 0.1, 1.0, put_back=put_back)
    recording.add(stage, {"words": Evaluation(outcomes, {"accuracy": score}, "f" * 64, 0.1)})


def test_a_training_that_is_resumed_has_the_answers_of_its_own_stages(tmp_path: Path) -> None:
    first = begun(tmp_path)
    for step, correct in ((0, (False, False)), (2, (True, False)), (4, (False, False)), (6, (True, False))):
        measured(first, step, correct)
    unchanged = (first.workspace.evaluations.root / first.stages[1].evaluations["words"]).stat().st_ino
    resumed = begun(tmp_path, step=2)
    measured(resumed, 4, (True, True))
    assert [stage.scores["words"] for stage in resumed.stages] == [0.0, 0.5, 1.0]
    assert [resumed.examples(stage)["words"].mean() for stage in range(3)] == [0.0, 0.5, 1.0]
    evaluations = Workspace(tmp_path / "ws").evaluations
    keys = [stage.evaluations["words"] for stage in resumed.stages]
    assert [evaluations.require(key).scores["accuracy"] for key in keys] == [0.0, 0.5, 1.0]
    assert (evaluations.root / keys[1]).stat().st_ino == unchanged


def test_a_training_that_goes_on_after_its_end_leaves_out_the_weights_that_were_put_back(tmp_path: Path) -> None:
    first = begun(tmp_path)
    for step, correct in ((0, (False, False)), (2, (True, True)), (4, (False, False))):
        measured(first, step, correct)
    measured(first, 4, (True, True), put_back=True)
    resumed = begun(tmp_path, step=4)
    measured(resumed, 6, (True, False))
    assert [(stage.step, stage.scores["words"]) for stage in resumed.stages] == [(0, 0.0), (2, 1.0), (4, 0.0), (6, 0.5)]
    assert not any(stage.put_back for stage in resumed.stages)


def test_a_training_that_is_resumed_with_another_bound_is_compared_with_its_own_beginning(tmp_path: Path) -> None:
    first = begun(tmp_path, every="1", max_forgetting=2.0, looks=8)
    measured(first, 0, (True, True))
    measured(first, 1, (True, False))
    resumed = begun(tmp_path, step=1, every="2", max_forgetting=5.0, looks=4)
    assert [stage.step for stage in resumed.stages] == [0, 1]
    assert resumed.examples(0)["words"].mean() == 1.0
    about, before = resumed.document.about, first.document.about
    assert [about[name] for name in ("every", "max_forgetting", "looks")] == ["2", 5.0, 4]
    assert [about[name] for name in ("training", "reference")] == [before["training"], "before the training"]
    measured(resumed, 3, (False, False))
    assert begun(tmp_path, step=3, every="2").document.about["max_forgetting"] == 5.0, "nothing else is new"


def test_a_training_without_a_record_of_its_beginning_says_what_it_is_compared_with(tmp_path: Path) -> None:
    said: list[str] = []
    unknown = Recording.begin(Workspace(tmp_path / "ws"), "out", ABOUT, 4, said.append)
    assert unknown.document.about["reference"] == "step 4"
    assert ["step 4" in message for message in said] == [True]
    measured(unknown, 4, (True, True))
    measured(unknown, 6, (True, False))
    again = begun(tmp_path, step=6)
    assert (again.document.about["reference"], len(again.stages)) == ("step 4", 2)
    other = begun(tmp_path, step=6, rows=10)
    assert (other.document.about["reference"], other.stages) == ("step 6", [])
    assert begun(tmp_path).document.about["reference"] == "before the training"


def test_a_record_that_another_training_has_taken_is_not_written(tmp_path: Path) -> None:
    first = begun(tmp_path)
    measured(first, 0, (False, False))
    second = begun(tmp_path)
    measured(second, 0, (True, True))
    with pytest.raises(InputError, match="another training has begun"):
        first.finish()
    stored = second.workspace.records.require("out")
    assert (stored.identity, stored.finished) == (second.document.identity, False)
    second.finish()
    assert second.workspace.records.require("out").finished


def test_two_trainings_beside_each_other_have_one_seed_each(tmp_path: Path) -> None:
    for name, rows in (("first", 2), ("second", 3)):
        measured(begun(tmp_path, name=name, rows=rows), 0, (True, False))
    verdict = present(difference_of(Workspace(tmp_path / "ws"), "first", "second")).verdict
    assert verdict.endswith("has one seed, so its scores cannot be compared with those of another.")
