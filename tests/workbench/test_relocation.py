"""A workspace that is moved, copied or reached by a link: MLflow finds everything where it is now, by its own means."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workbench.test_registration import entry, record
from workbench.errors import TrackingError
from workbench.mlflow import relocation
from workbench.mlflow.address import tracking_uri
from workbench.mlflow.registration import in_database
from workbench.mlflow.relocation import LOCATIONS, is_writable, relocate
from workbench.mlflow.run_record import RunRecord
from workbench.mlflow.tracker import Tracker

PAGE = b"<p>the report</p>"
LOGGED = replace(record("a"), artifacts={"report/report.html": PAGE})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a report, a model and a champion; its path needs escapes in an address."""
    root = tmp_path_factory.mktemp("made") / "my? work%20 ü"
    root.mkdir()
    Tracker(tracking_uri(root)).register("stream", LOGGED, entry("a", 0.5))
    return root


@pytest.fixture
def workspace(original: Path, tmp_path: Path) -> Path:
    """A copy of that workspace in another folder; the database has the new path."""
    root = shutil.copytree(original, tmp_path / "left")
    relocate(root / "mlflow.db")
    return root


def heard(root: Path, given: RunRecord = LOGGED) -> list[str]:
    messages: list[str] = []
    Tracker(tracking_uri(root), messages.append).sync("stream", given)
    return messages


def locations(root: Path) -> set[str]:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        rows = [row for table, column in LOCATIONS for row in connection.execute(f"SELECT {column} FROM {table}")]
    return {location for (location,) in rows if "mlartifacts" in location}


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def require_whole(root: Path) -> None:
    """Ask MLflow alone, as a person's own program would, for the report's page and the champion's files."""
    from mlflow.artifacts import download_artifacts
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri(root))
    (run,) = client.search_runs([client.get_experiment_by_name("stream").experiment_id])
    page = download_artifacts(
        run_id=run.info.run_id, artifact_path="report/report.html", tracking_uri=tracking_uri(root)
    )
    assert Path(page).read_bytes() == PAGE
    uri = client.get_model_version_download_uri("news.lora", "1")
    assert uri.startswith(root.resolve().as_uri())
    assert (Path(download_artifacts(artifact_uri=uri)) / "weights.txt").read_text() == "weights"
    assert all(location.startswith((root.resolve().as_uri(), str(root.resolve()))) for location in locations(root))


def test_champions_are_read_at_a_path_that_needs_escapes(original: Path) -> None:
    (model,) = in_database(tracking_uri(original)) or ()
    assert [(model.name, version.adapter) for version in model.versions] == [("news.lora", "a")]


def test_a_moved_workspace_is_whole_and_leaves_nothing_where_it_was(workspace: Path, tmp_path: Path) -> None:
    root = workspace.rename(tmp_path / "moved to")
    (line,) = heard(root)
    assert str(workspace) in line
    assert str(root) in line
    require_whole(root)
    assert heard(root) == [], "it is said once"
    heard(root, replace(LOGGED, key="another", models=()))
    assert not workspace.exists()


def test_a_copied_workspace_never_writes_into_the_original(workspace: Path, tmp_path: Path) -> None:
    before = files(workspace)
    root = shutil.copytree(workspace, tmp_path / "copied")
    assert len(heard(root)) == 1
    require_whole(root)
    heard(root, replace(LOGGED, key="another", models=()))
    assert files(workspace) == before
    assert heard(workspace) == []
    require_whole(workspace)


def test_a_link_to_a_workspace_is_the_same_workspace(workspace: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(workspace)
    before = locations(workspace)
    assert heard(link) == []
    assert locations(link) == before
    root = workspace.rename(tmp_path / "moved")
    link.unlink()
    link.symlink_to(root)
    assert len(heard(link)) == 1
    require_whole(root)


def test_what_was_logged_over_a_link_outlives_the_link(tmp_path: Path) -> None:
    root, link = tmp_path / "real", tmp_path / "link"
    root.mkdir()
    link.symlink_to(root)
    Tracker(tracking_uri(link)).register("stream", LOGGED, entry("a", 0.5))
    link.unlink()
    require_whole(root)


def test_locations_of_others_stay_as_they_are(workspace: Path, tmp_path: Path) -> None:
    client: Any = Tracker(tracking_uri(workspace))._client
    beside = client.create_experiment("beside", artifact_location=f"{workspace.as_uri()}/mlartifacts-2/x")
    theirs = client.create_experiment("theirs", artifact_location=f"{tmp_path.as_uri()}/elsewhere/mlartifacts")
    run = client.create_run(theirs)
    root = workspace.rename(tmp_path / "moved")
    heard(root)
    client = Tracker(tracking_uri(root))._client
    assert client.get_experiment(beside).artifact_location == f"{workspace.as_uri()}/mlartifacts-2/x"
    assert client.get_experiment(theirs).artifact_location == f"{tmp_path.as_uri()}/elsewhere/mlartifacts"
    assert client.get_run(run.info.run_id).info.artifact_uri.startswith(f"{tmp_path.as_uri()}/elsewhere/mlartifacts/")


def test_a_database_that_left_its_artifacts_behind_keeps_them(workspace: Path, tmp_path: Path) -> None:
    before = locations(workspace)
    alone = tmp_path / "alone"
    alone.mkdir()
    (workspace / "mlflow.db").rename(alone / "mlflow.db")
    assert relocate(alone / "mlflow.db") is None
    assert locations(alone) == before


def test_all_locations_move_or_none(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = workspace.rename(tmp_path / "moved")
    before = locations(root)
    monkeypatch.setattr(relocation, "LOCATIONS", (*LOCATIONS, ("runs", "no_such_column")))
    with pytest.raises(TrackingError, match="no such column"):
        relocate(root / "mlflow.db")
    assert locations(root) == before


def test_one_that_cannot_be_changed_says_what_to_do(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(workspace, tmp_path / "colleague's")
    with closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as somebody:
        monkeypatch.setattr(relocation, "BUSY", 0.1)
        assert is_writable(root / "mlflow.db")
        somebody.execute("BEGIN IMMEDIATE")
        assert not is_writable(root / "mlflow.db")
        with pytest.raises(TrackingError, match=r"cp -r.*--workspace"):
            heard(root)
    assert all(str(workspace) in location for location in locations(root))


@pytest.mark.parametrize("content", [b"", b"no database at all", None], ids=["empty", "garbage", "missing"])
def test_what_is_no_database_is_left_to_mlflow(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "mlflow.db").write_bytes(content)
    assert relocate(tmp_path / "mlflow.db") is None
    assert (content is None) != (tmp_path / "mlflow.db").exists()


def test_files_that_were_deleted_come_back_with_the_next_sync(workspace: Path) -> None:
    shutil.rmtree(workspace / "mlartifacts")
    heard(workspace)
    require_whole(workspace)


def test_a_file_that_was_cut_comes_back_with_the_next_sync(workspace: Path) -> None:
    (page,) = (workspace / "mlartifacts").rglob("report.html")
    page.write_bytes(PAGE[:-1])
    heard(workspace)
    assert page.read_bytes() == PAGE
