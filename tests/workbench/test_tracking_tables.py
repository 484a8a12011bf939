"""MLflow's tables, made once for a version of MLflow and copied into each new workspace."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from workbench.mlflow import database
from workbench.mlflow.database import set_up


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as opened:
        return {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def default(path: Path) -> tuple[str, int]:
    with closing(sqlite3.connect(path)) as opened:
        (row,) = opened.execute("SELECT artifact_location, creation_time FROM experiments")
    return row


def refuse() -> bytes:
    raise AssertionError("the tables are made a second time")


def test_tables_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    set_up(tmp_path / "first.db")
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    monkeypatch.setattr(database, "_tables", refuse)
    location, made_at = default(tmp_path / "first.db")
    assert location == f"{Path.cwd()}/mlruns/0", "where MLflow itself puts it"
    monkeypatch.chdir(tmp_path)
    set_up(tmp_path / "second.db")
    location, again_at = default(tmp_path / "second.db")
    assert location == f"{tmp_path}/mlruns/0"
    assert again_at > made_at
    assert {"experiments", "runs", "metrics", "alembic_version"} <= tables(tmp_path / "second.db")
    assert tables(tmp_path / "second.db") == tables(tmp_path / "first.db")

    made = kept.read_bytes()
    monkeypatch.setattr(database, "_tables", lambda: made)
    kept.write_bytes(made[:10])
    set_up(tmp_path / "third.db")
    assert kept.read_bytes() == made, "what is no database is made again"


def test_a_cache_that_cannot_be_used_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    set_up(tmp_path / "mlflow.db")
    assert "experiments" in tables(tmp_path / "mlflow.db")
    assert (tmp_path / "cache").read_text() == "a file, not a folder"


def test_a_database_that_is_there_by_then_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mlflow.db").write_bytes(b"of another process")
    set_up(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == b"of another process"
