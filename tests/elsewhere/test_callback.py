"""A training with ForgettingCallback: the same numbers as without it, a log, a record, and an end where it forgets."""

from __future__ import annotations

import errno
import json
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from adapter_workbench import ForgettingCallback
from adapter_workbench.experiments.history.recipe_settings import differing_settings
from adapter_workbench.experiments.studies import present, report_of
from adapter_workbench.experiments.studies.watched.record import WatchedStage
from adapter_workbench.experiments.watching.measuring import Size, answered
from adapter_workbench.experiments.watching.recording import Recording
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.live_model import LiveParts, undisturbed
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.conftest import FRUITS, SUBJECTS, Call, make_task
from tests.elsewhere.trainings import assert_equal_trainings, classifier, losses, trained, write_answers
from tests.streams import write_tasks

TASKS = ["animals", "halves"]


class Heard(TrainerCallback):
    """What a tracker hears of a training, in place of W&B, TensorBoard, MLflow or trackio."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, dict[str, float]]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.logs.append((state.global_step, dict(logs)))


def watching(folder: Path, **options: Any) -> ForgettingCallback:
    """Return a callback for the tasks of :mod:`tests.streams`, whose workspace is below ``folder``."""
    given = {"tasks": TASKS, "own": "animals", "max_length": 16, "head_rows": 32, **options}
    return ForgettingCallback(workspace=folder / "ws", task_folders=[write_tasks(folder)], **given)


def document(call: Call, folder: Path, name: str = "out") -> dict[str, Any]:
    """Return what ``workbench report NAME --json`` prints."""
    code, out, _ = call("report", name, "--json", "--workspace", str(folder / "ws"))
    assert code == 0
    return dict(json.loads(out[out.index("{\n") :]))  # after what the trainer has printed


@pytest.mark.parametrize(
    ("every", "options", "steps"),
    [
        ("epoch", {"lora": True}, [0, 4, 8]),
        ("save", {"save_strategy": "steps", "save_steps": 3, "logging_strategy": "epoch"}, [0, 3, 6, 8]),
        (
            5,
            {"gradient_accumulation_steps": 2, "num_train_epochs": 4, "per_device_train_batch_size": 8},
            [0, 5, 10, 15, 16],
        ),
    ],
)
def test_the_training_is_what_it_is_without(
    every: Any, options: dict[str, Any], steps: list[int], bert: Path, tmp_path: Path, call: Call
) -> None:
    plain = trained(bert, tmp_path / "plain", [], **options)
    watched = trained(bert, tmp_path / "out", [watching(tmp_path, every=every)], **options)
    assert_equal_trainings(plain, watched)
    told = document(call, tmp_path)
    assert [stage["step"] for stage in told["strategies"]["training"]["stages"]] == steps
    assert watched.model.training == plain.model.training


def test_generators_and_modes_are_put_back(bert: Path) -> None:
    def drawn() -> tuple[float, ...]:
        return torch.rand(1).item(), np.random.rand(), random.random()

    model = classifier(bert)
    model.train().bert.embeddings.eval()  # as where a part is frozen
    modes = [module.training for module in model.modules()]
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    expected = drawn()
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
    with pytest.raises(KeyError), undisturbed(model):
        assert not any(module.training for module in model.modules())
        assert drawn() == expected
        raise KeyError
    assert drawn() == expected
    assert [module.training for module in model.modules()] == modes


def test_a_tracker_hears_the_scores(bert: Path, tmp_path: Path) -> None:
    heard = Heard()
    trainer = trained(bert, tmp_path / "out", [heard, watching(tmp_path)])
    measured = [(step, logs) for step, logs in heard.logs if "eval_animals/score" in logs]
    assert [step for step, _ in measured] == [0, 4, 8]
    scores = [logs["eval_animals/score"] for _, logs in measured]
    assert measured[-1][1]["eval_animals/lost_points"] == pytest.approx(100 * (scores[0] - scores[-1]))
    assert all(logs["eval_measuring_seconds"] > 0 for _, logs in measured)
    assert 0 < measured[-1][1]["eval_measuring_share"] < 1
    history = [logged for logged in trainer.state.log_history if "eval_animals/score" in logged]
    assert [{**logs, "step": step} for step, logs in measured] == history, "and it is in trainer_state.json"


def test_the_record_is_shown_as_stages_and_tasks(bert: Path, tmp_path: Path, call: Call) -> None:
    trainer = trained(bert, tmp_path / "out", [watching(tmp_path)])
    told = document(call, tmp_path)
    entry, first = told["strategies"]["training"], trainer.state.log_history[0]
    assert told["answered"] == {"animals": "own head", "halves": "fitted head"}
    assert told["complete"]
    assert entry["matrix"][0] == [first["eval_animals/score"], first["eval_halves/score"]]
    change = entry["changes"]["animals"]
    assert change["lost"]["mean"] == pytest.approx(entry["matrix"][0][0] - entry["matrix"][-1][0])
    assert change["lost"]["low"] < change["lost"]["mean"] < change["lost"]["high"]
    assert 0 < entry["cost"]["measuring_share"] < 1
    space = ("--workspace", str(tmp_path / "ws"))
    _, text, _ = call("report", "out", *space)
    assert "0: before the training" in text
    assert "2: step 8" in text
    page = tmp_path / "report.html"
    assert call("report", "out", "--html", str(page), "--csv", str(tmp_path / "csv"), *space)[0] == 0
    assert "own head" in page.read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "csv").iterdir()} >= {"stages.csv", "changes.csv"}
    run = present(report_of(Workspace(tmp_path / "ws"), "out")).tracking().run
    scores = [(value, step) for name, value, step in run.metrics if name == "accuracy/halves"]
    assert scores == [(row[1], stage) for stage, row in enumerate(entry["matrix"])], "MLflow has stages as steps"
    code, _, message = call("gate", "out", "--max-forgetting", "1", *space)
    assert (code, "not a stream" in message) == (2, True)


def test_the_models_own_head_answers_its_own_task(bert: Path, tmp_path: Path) -> None:
    trainer = trained(bert, tmp_path / "out", [watching(tmp_path)])
    test = make_task("animals", SUBJECTS, FRUITS).splits["test"]
    batch = open_backbone(str(bert)).tokenizer(test["text"][:], padding=True, return_tensors="pt")
    with torch.inference_mode():
        answers = trainer.model.eval()(**batch).logits.argmax(dim=-1)
    right = (answers == torch.tensor(test["label"][:])).double().mean().item()
    assert trainer.state.log_history[-2]["eval_animals/score"] == right


def test_a_training_that_forgets_is_stopped(
    bert: Path, tmp_path: Path, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    class Damage(TrainerCallback):
        """A training that goes wrong at its third step."""

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if state.global_step == 3:
                with torch.no_grad():
                    model.classifier.weight.neg_()
                    model.classifier.bias.neg_()

    model = classifier(bert)
    folders = [write_answers(bert, tmp_path, model)]
    watcher = ForgettingCallback(
        ["answers"], every=1, max_forgetting=5.0, workspace=tmp_path / "ws", task_folders=folders, max_length=16
    )
    with caplog.at_level(logging.WARNING, logger="adapter_workbench"):
        saved: dict[str, Any] = {"learning_rate": 1e-6, "save_strategy": "steps", "save_steps": 1}
        trainer = trained(bert, tmp_path / "out", [Damage(), watcher], model=model, **saved)
    assert trainer.state.global_step == 3
    assert "stopped at step 3" in caplog.text
    told = document(call, tmp_path)
    assert told["strategies"]["training"]["stages"][-1]["beyond"] == ["answers"]
    assert told["strategies"]["training"]["changes"]["answers"]["reading"] == "lost"
    assert [row[0] for row in told["strategies"]["training"]["matrix"]] == [1, 1, 1, 0]
    stopped = "The training was stopped at step 3: answers lost more than 5 points."
    assert stopped in told["verdict"]
    watcher = ForgettingCallback(
        ["answers"], every=1, max_forgetting=None, workspace=tmp_path / "ws", task_folders=folders, max_length=16
    )
    trained(bert, tmp_path / "out", [watcher], model=classifier(bert), resume=True, **saved)
    went_on = document(call, tmp_path)
    assert stopped in went_on["verdict"]
    assert went_on["max_forgetting"] is None
    matrix = [row[0] for row in went_on["strategies"]["training"]["matrix"]]
    assert matrix[:4] == [1, 1, 1, 0], "the record goes on"
    assert len(matrix) == 9


def test_a_training_that_is_watched_from_a_checkpoint_on_is_compared_with_that(
    bert: Path, tmp_path: Path, call: Call
) -> None:
    trained(bert, tmp_path / "out", [], num_train_epochs=1, save_strategy="epoch")
    trained(bert, tmp_path / "out", [watching(tmp_path)], resume=True)
    told = document(call, tmp_path)
    assert [stage["step"] for stage in told["strategies"]["training"]["stages"]] == [4, 8]
    assert "Compared with step 4: how the training began is not recorded." in told["verdict"]
    _, text, _ = call("report", "out", "--workspace", str(tmp_path / "ws"))
    assert "0: step 4" in text
    notes = [table.note for table in present(report_of(Workspace(tmp_path / "ws"), "out")).tables]
    assert any("lost from step 4 to the last stage" in note for note in notes)


def test_the_best_checkpoint_that_is_put_back_is_measured_too(bert: Path, tmp_path: Path, call: Call) -> None:
    class Ruin(TrainerCallback):
        """The second epoch is worse than the first."""

        def on_epoch_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if state.global_step:
                with torch.no_grad():
                    model.classifier.weight.mul_(-20)

    best = {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "epoch"}
    trained(bert, tmp_path / "out", [Ruin(), watching(tmp_path)], learning_rate=1e-6, **best)
    entry = document(call, tmp_path)["strategies"]["training"]
    assert [(stage["step"], stage["put_back"]) for stage in entry["stages"]] == [
        *((step, False) for step in (0, 4, 8)),
        (8, True),
    ]
    assert entry["matrix"][3] == entry["matrix"][1] != entry["matrix"][2]
    assert "3: best checkpoint" in call("report", "out", "--workspace", str(tmp_path / "ws"))[1]


def test_a_resumed_training_goes_on_with_its_record(bert: Path, tmp_path: Path, call: Call) -> None:
    class Kill(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 4:
                raise KeyboardInterrupt

    saved: dict[str, Any] = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 3}
    with pytest.raises(KeyboardInterrupt):
        trained(bert, tmp_path / "out", [watching(tmp_path, every=2), Kill()], **saved)
    unfinished = document(call, tmp_path)
    assert not unfinished["complete"]
    trained(bert, tmp_path / "out", [watching(tmp_path, every=2)], resume=True, **saved)
    told = document(call, tmp_path)
    assert [stage["step"] for stage in told["strategies"]["training"]["stages"]] == [0, 2, 4, 6, 8, 10, 12]
    assert told["complete"]
    before, after = (part["strategies"]["training"]["matrix"] for part in (unfinished, told))
    assert after[: len(before)] == before
    trained(bert, tmp_path / "out", [watching(tmp_path, every=2, rows=10)], num_train_epochs=1)
    records = Workspace(tmp_path / "ws").records
    runs = [records.require(name) for name in records.runs("out")]
    (difference,) = differing_settings(*runs)
    assert (difference.setting, difference.first, difference.second) == ("rows", 200, 10), "the first is set aside"


def test_what_cannot_be_written_does_not_end_the_training(
    bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Taken(TrainerCallback):
        """Another training begins under the same name in the meantime."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                trained(bert, tmp_path / "out", [watching(tmp_path)], num_train_epochs=1)

    trainer = trained(bert, tmp_path / "out", [Taken(), watching(tmp_path)])
    assert "another training has begun under this name" in caplog.text
    assert len(losses(trainer)) == 8
    assert len([logged for logged in trainer.state.log_history if "eval_animals/score" in logged]) == 3


def test_a_full_disk_does_not_end_the_training(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add = Recording.add

    def full(self: Recording, stage: WatchedStage, evaluations: Any) -> WatchedStage:
        if stage.step:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return add(self, stage, evaluations)

    monkeypatch.setattr(Recording, "add", full)
    trainer = trained(bert, tmp_path / "out", [watching(tmp_path)])
    assert caplog.text.count("no longer written") == 1
    assert len(losses(trainer)) == 8


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"tasks": []}, ["tasks"]),
        ({"tasks": ["animals", "animals"]}, ["twice"]),
        ({"tasks": ["anmals"], "every": "day"}, ["animals", "every"]),
        ({"every": 0, "max_forgetting": -1, "rows": 1}, ["every", "max_forgetting", "rows"]),
        ({"every": True, "name": "A/B", "own": "fruits"}, ["every", "name", "own"]),
    ],
)
def test_wrong_arguments_are_told_in_one_message(wrong: dict[str, Any], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as told:
        watching(tmp_path, **wrong)
    assert all(name in str(told.value) for name in named), str(told.value)
    assert not (tmp_path / "ws").exists()


def test_what_cannot_be_measured_is_refused_before_the_training(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="saves no checkpoint"):
        trained(bert, tmp_path / "out", [watching(tmp_path, every="save")])
    (tmp_path / "tasks" / "values.csv").write_text(
        "text,value\n" + "".join(f"the cat {n},{n}\n" for n in range(40)), encoding="utf-8"
    )
    (tmp_path / "tasks" / "values.yaml").write_text(
        "description: d\nkind: regression\nfiles: {data: values.csv}\ncolumns: {text: text, label: value}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="values: regression tasks are not measured"):
        trained(bert, tmp_path / "out", [watching(tmp_path, tasks=["values"], own=None)])
    assert not (tmp_path / "ws").exists()


def test_a_bound_needs_a_known_number_of_stages(bert: Path, tmp_path: Path) -> None:
    """Of streamed rows nobody knows the epochs: transformers sets as many as there are integers."""
    with pytest.raises(InputError, match="how often it will be tested"):
        trained(bert, tmp_path / "out", [watching(tmp_path, max_forgetting=2.0)], streamed=True, max_steps=8)
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("names", "columns"),
    [(("first", "second"), (0, 1)), (("second", "first"), (1, 0)), (("LABEL_0", "LABEL_1"), (0, 1))],
)
def test_the_own_head_is_read_by_the_names_of_its_labels(
    names: tuple[str, str], columns: tuple[int, int], bert: Path
) -> None:
    model, task = classifier(bert), make_task("animals", SUBJECTS, FRUITS)
    model.config.id2label = dict(enumerate(names))
    (watched,) = answered([task], LiveParts.of(model), "animals", Size(rows=8, head_rows=8, max_length=16))
    assert (watched.how, watched.columns) == ("own head", columns)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({0: "POSITIVE", 1: "NEGATIVE"}, r"\(POSITIVE, NEGATIVE\) are not those of animals \(first, second\)"),
        ({1: "first", 2: "second"}, "id2label names no labels"),
    ],
)
def test_labels_of_other_names_are_not_taken_for_those_of_the_task(
    names: dict[int, str], message: str, bert: Path, tmp_path: Path
) -> None:
    model = classifier(bert)
    model.config.id2label = names
    with pytest.raises(InputError, match=message):
        trained(bert, tmp_path / "out", [watching(tmp_path)], model=model)
    assert not (tmp_path / "ws").exists()


def test_the_own_task_may_be_one_of_a_family_and_not_the_family(tmp_path: Path) -> None:
    files = "{train: halves-train.csv, validation: halves-validation.csv, test: halves-test.csv}"
    (write_tasks(tmp_path) / "pair.yaml").write_text(
        "description: d\ncolumns: {text: text, label: label}\nlicense: CC0-1.0\n"
        f"family: [{{name: pair-a, files: {files}}}, {{name: pair-b, files: {files}}}]\n",
        encoding="utf-8",
    )
    assert watching(tmp_path, tasks=["pair"], own="pair-b").settings.own == "pair-b"
    with pytest.raises(SettingsError, match="'pair' is not among the tasks"):
        watching(tmp_path, tasks=["pair"], own="pair")


def test_several_processes_are_refused(bert: Path, tmp_path: Path) -> None:
    class Arguments:
        world_size = 4

    with pytest.raises(InputError, match="4 processes"):
        watching(tmp_path).on_train_begin(Arguments(), None, None)
