"""What train and run leave in MLflow."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.answers.tracked import run_of
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.system_metrics import INTERVAL, SWITCH, points, record_system_metrics
from adapter_workbench.experiments.reporting.adapter_run import EXPERIMENT
from adapter_workbench.workbench.errors import InputError, TrackingError
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.streams import write_recipe, write_tasks

BUDGET = {"epochs": 1, "batch_size": 8, "max_length": 16, "precision": "fp32"}
TEXTS = ["the cat often", "a plum very", "some horse this"]


@pytest.fixture
def bench(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI", SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(INTERVAL, "0.05")
    return Workbench(tmp_path / "work", [write_tasks(tmp_path)])


def trained(bench: Workbench, bert: Path, seed: int = 0, **settings: Any) -> Any:
    return bench.train(bench.lesson("animals", "lora", str(bert), seed, learning_rate=0.02, budget=BUDGET, **settings))


def runs_of(bench: Workbench, experiment: str) -> tuple[list[Any], list[Any]]:
    client = Tracker(tracking_uri(bench.workspace.root))._client
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return list(client.search_runs([experiment_id])), list(client.search_logged_models([experiment_id]))


def test_train_logs_a_run_with_data_model_and_load_and_registers_it(bench: Workbench, bert: Path) -> None:
    result = trained(bench, bert)
    (run,), (model,) = runs_of(bench, EXPERIMENT)
    fingerprint = result.adapter.manifest.task.fingerprint
    inputs = {dataset_input.dataset.name: dataset_input for dataset_input in run.inputs.dataset_inputs}
    assert set(inputs) == {"animals/train", "animals/validation", "animals/test"}
    assert {dataset_input.dataset.digest for dataset_input in inputs.values()} == {fingerprint[:36]}
    assert json.loads(inputs["animals/train"].dataset.source)["fingerprint"] == fingerprint
    assert run.data.metrics["test_accuracy"] == result.test.scores["accuracy"]
    assert run.data.metrics["validation_accuracy"] == result.adapter.manifest.fit.validation
    assert run.data.metrics["test_score"] == run.data.metrics["test_accuracy"]
    assert run.data.metrics["val_score"] == run.data.metrics["validation_accuracy"]
    note = run.data.tags[NOTE_TAG]
    assert f"- test accuracy: {result.test.scores['accuracy']:.4f}" in note
    assert "viewStateShareKey=workbench-table" in note
    assert run.data.params["budget/epochs"] == "1"
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert "system/system_memory_usage_megabytes" in run.data.metrics
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]

    again = trained(bench, bert)
    assert again.adapter == result.adapter
    first, second = bench.release.register(result.adapter.id), bench.release.register(result.adapter.id)
    assert (first.name, first.version, first.champion) == ("animals.lora", "1", True)
    assert (second.version, second.champion) == ("1", True)
    assert run.info.end_time - run.info.start_time == round(1000 * result.adapter.manifest.fit.seconds)
    client = Tracker(tracking_uri(bench.workspace.root))._client
    description = client.get_model_version(first.name, first.version).description
    assert f"test accuracy: {result.test.scores['accuracy']:.4f}" in description
    asked = json.loads(description.rpartition("-d '")[2].rstrip("'"))
    assert asked["adapter"] == result.adapter.id
    assert [len(logged) for logged in runs_of(bench, EXPERIMENT)] == [1, 1], "nothing is logged twice"


@pytest.mark.parametrize(
    ("name", "bytes_left"), [("MLmodel", None), ("head.safetensors", None), ("adapter_config.json", 10)]
)
def test_a_file_of_a_logged_model_that_was_lost_or_cut_is_written_again(
    name: str, bytes_left: int | None, bench: Workbench, bert: Path
) -> None:
    from mlflow.pyfunc import load_model

    adapter = trained(bench, bert).adapter
    (model,) = runs_of(bench, EXPERIMENT)[1]
    (path,) = (bench.workspace.root / "mlartifacts" / "models" / model.model_id).rglob(name)
    content, own = path.read_bytes(), bench.workspace.adapters.get(adapter.id).folder / name
    if bytes_left is None:
        path.unlink()
    else:
        path.write_bytes(content[:bytes_left])
        own.write_bytes(content[:-1])
        damaged = bench.workspace.adapters.get(adapter.id)
        with pytest.raises(TrackingError, match=f"{name} has changed"):
            Tracker(tracking_uri(bench.workspace.root)).sync(EXPERIMENT, run_of(damaged, bench.workspace))
        own.write_bytes(content)
    bench.release.register(adapter.id)
    assert path.stat().st_size == len(content)
    load_model(path.parents[0 if name == "MLmodel" else 2].as_uri()).predict(pd.DataFrame({"text": TEXTS}))
    whole = {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")}
    bench.release.register(adapter.id)
    assert whole == {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")}, "and once"
    assert [len(logged) for logged in runs_of(bench, EXPERIMENT)] == [1, 1]


def test_a_dead_server_does_not_stop_train(bench: Workbench, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []

    class Listening(type(bench.listener)):  # type: ignore[misc]
        def say(self, message: str) -> None:
            messages.append(message)

    bench.listener = Listening()
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        adapter = trained(bench, bert).adapter
    (message,) = [message for message in messages if "Tracking:" in message]
    assert f"workbench adapters register {adapter.id}" in message
    assert bench.release.register(adapter.id).version == "1"


def test_a_run_logs_the_data_of_all_children_and_the_adapters_of_isolated_ones(
    bench: Workbench, bert: Path, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path, bert)
    plan = bench.plan(str(path), ["seeds=[0]", "tasks=[animals, fruits]", "budget.epochs=1"])
    bench.run(plan)
    runs, models = runs_of(bench, "stream")
    children = {run.data.tags["label"]: run for run in runs if "label" in run.data.tags}
    for child in children.values():
        assert len(child.inputs.dataset_inputs) == 6, "three splits of two tasks"
    assert len(children["isolated"].outputs.model_outputs) == len(models) == 2
    assert not children["sequential"].outputs.model_outputs
    (parent,) = [run for run in runs if "label" not in run.data.tags]
    assert "system/cpu_utilization_percentage" in parent.data.metrics
    assert {model.tags["adapter"] for model in models} == set(bench.workspace.adapters.ids())
    bench.run(plan)
    assert [len(logged) for logged in runs_of(bench, "stream")] == [3, 2]


def test_samples_stay_in_the_workspace_and_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERVAL, "0.02")
    file = tmp_path / "system" / "x.jsonl"
    with record_system_metrics(file):
        while not (file.exists() and points(file)):
            time.sleep(0.02)
    samples = points(file)
    assert {name for name, _, _ in samples} >= {"system/cpu_utilization_percentage"}
    file.write_text(file.read_text() + '{"cpu', encoding="utf-8")
    assert points(file) == samples, "a line that was cut off is left out"
    monkeypatch.setenv(INTERVAL, "0")
    with pytest.raises(InputError, match="not a number of seconds"), record_system_metrics(file):
        pass
    monkeypatch.setenv(SWITCH, "false")
    with record_system_metrics(tmp_path / "off.jsonl"):
        time.sleep(0.1)
    assert points(tmp_path / "off.jsonl") == ()
