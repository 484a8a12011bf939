"""Commands in a workspace that was moved or copied find reports, models and champions; the original stays as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adapter_workbench.experiments.cli import ui
from adapter_workbench.workbench.mlflow import database
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.conftest import Call
from tests.messages import lacks

BUDGET = "budget={epochs: 4, batch_size: 8, max_length: 16, precision: fp32}"


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def require_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask MLflow alone, as a program of a person's own does, for the report's page and the champion's answer."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri(root))
    (run,) = client.search_runs(
        [client.get_experiment_by_name("stream").experiment_id], "tags.recipe = 'stream' and params.tasks != ''",
    )  # fmt: skip
    assert {artifact.path for artifact in client.list_artifacts(run.info.run_id, "report")} > {"report/report.html"}
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(root)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri(root))
        model = mlflow.pyfunc.load_model("models:/animals.lora@champion")
    assert model.predict(pd.DataFrame({"text": ["the cat often"]}))["label"].tolist() == ["first"]


@pytest.mark.acceptance
def test_a_workspace_is_copied_and_moved_and_every_command_finds_what_it_needs(
    call: Call, recipe: Path, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [
        "train",
        "animals",
        "--method",
        "lora",
        "--backbone",
        str(bert),
        "--tasks",
        "tasks",
        "--register",
        "--set",
        BUDGET,
        "--set",
        "learning_rate=0.02",
    ]
    assert call("run", str(recipe), "--tasks", "tasks", "--workspace", "first")[0] == 0
    code, _, err = call(*train, "--workspace", "first")
    assert code == 0, err
    before = files(tmp_path / "first")

    shutil.copytree("first", "copy")
    code, out, err = call("report", "stream", "--log", "--workspace", "copy")
    assert code == 0, err
    assert "Logged to" in out
    assert lacks(err, "MLflow's database", "1 experiment and 1 adapter") == []
    require_whole(tmp_path / "copy", monkeypatch)
    code, out, err = call("adapters", "register", "animals-lora", "--workspace", "copy")
    assert (code, "champion already" in out, "MLflow" in err) == (0, True, False)
    assert files(tmp_path / "first") == before, "a copy never writes into its original"

    Path("first").rename("second")
    code, _, err = call(*train, "--workspace", "second")
    assert code == 0, err
    assert "1 experiment and 1 adapter are logged anew." in err
    require_whole(tmp_path / "second", monkeypatch)
    assert not Path("first").exists(), "a move leaves nothing behind, and nothing makes it again"

    third = Path("second").rename("third").absolute()
    before = files(third)
    seen: list[tuple[str, bool]] = []

    def serve(command: list[str], store: str) -> None:
        seen.extend((run.experiment, run.has_artifact) for run in Tracker(store).newest(ui.PAGE))

    monkeypatch.setattr(database, "is_writable", lambda path: False)
    monkeypatch.setattr(ui, "_serve", serve)
    code, out, err = call("ui", "--workspace", "third")
    assert (code, out.count("  report: ")) == (0, 1), err
    assert dict(seen) == {"stream": True, "adapters": False}
    assert files(third) == before, "what can only be read is shown from elsewhere"
