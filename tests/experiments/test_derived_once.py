"""After each piece only what it adds is computed and logged; the whole is compared once, at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

import adapter_workbench.experiments.running
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine import publish
from adapter_workbench.experiments.engine.publish import Publisher
from adapter_workbench.experiments.reporting import examples, figures
from adapter_workbench.workbench.machine.listener import Silent
from tests.streams import write_recipe

SMALL = ["tasks=[animals, halves]", "budget.epochs=1", "budget.train_examples=16"]


def test_a_run_compares_and_draws_once(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    compared: list[int] = []
    bootstrap, image = examples.clustered_bootstraps, figures.image

    def counted_bootstrap(*given: object) -> object:
        compared.append(1)
        return bootstrap(*given)

    def counted_image(*given: object, **more: object) -> object:
        drawn.append("figure")
        return image(*given, **more)

    monkeypatch.setattr(examples, "clustered_bootstraps", counted_bootstrap)
    monkeypatch.setattr(figures, "image", counted_image)
    write_recipe(tmp_path, bert)
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"], Silent())
    bench.run(bench.plan(str(tmp_path / "stream.yaml"), SMALL))
    folder = bench.workspace.experiment("stream")
    assert len(compared) == 1, "the one that the recipe asks for, of tasks with the same texts"
    assert len(drawn) == len([*folder.glob("*.png")]), "each figure once"


def test_a_part_is_logged_under_the_run_of_the_whole(bert: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, bert)
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"], Silent())
    plan = bench.plan(str(tmp_path / "stream.yaml"), [*SMALL, "seeds=[0, 1]"])
    seen: list[set[str]] = []
    update = Publisher.update

    def watched(self: Publisher, part: object) -> None:
        update(self, part)  # type: ignore[arg-type]
        client = MlflowClient(f"sqlite:///{bench.workspace.root}/mlflow.db")
        experiment = client.get_experiment_by_name("stream")
        runs = client.search_runs([experiment.experiment_id])
        seen.append({run.info.run_name for run in runs})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publisher, "update", watched)
        patch.setattr(publish, "SHARE", math.inf)  # no pauses
        bench.run(plan)
    assert seen[0] == {"stream", "isolated, seed 0"}
    assert seen[-1] == {"stream", *(f"{label}, seed {seed}" for label in ("isolated", "sequential") for seed in (0, 1))}


def test_logging_takes_a_small_share_of_a_run_and_nothing_is_missing_in_the_end(bert: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, bert)
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"], Silent())
    read: list[int] = []
    part = adapter_workbench.experiments.running.present_change

    def counted(*given: Any) -> Any:
        read.append(1)
        return part(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "SHARE", 1e-6)
        patch.setattr(adapter_workbench.experiments.running, "present_change", counted)
        bench.run(bench.plan(str(tmp_path / "stream.yaml"), SMALL))
    assert read == [1], "the first piece was logged, and the pause after it outlasted the run"
    client = MlflowClient(f"sqlite:///{bench.workspace.root}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("stream").experiment_id])
    assert len(runs) == 1 + 4
    assert all(run.info.status == "FINISHED" for run in runs)
