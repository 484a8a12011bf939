"""MLflow's tables, made by MLflow and put in place when they are whole."""

from __future__ import annotations

from pathlib import Path

from adapter_workbench.workbench.mlflow.database import is_writable, set_up


def test_a_new_database_is_as_mlflow_makes_it(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    set_up(tmp_path / "mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    (default,) = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    assert (default.name, default.artifact_location) == ("Default", f"{Path.cwd()}/mlruns/0"), "MLflow's own"
    assert is_writable(tmp_path / "mlflow.db")


def test_a_database_that_is_there_by_then_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"of another process")
    set_up(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == b"of another process"
