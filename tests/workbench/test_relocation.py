"""A database that was moved, copied or reached by a link: what it has elsewhere is found, logged anew, and deleted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.alias import Succession
from adapter_workbench.workbench.mlflow.relocation import DatabaseFiles, MovedRuns, clear
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.runs import root_of
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.workbench.test_registration import entry, record

PAGE = b"<p>the report</p>"
LOGGED = replace(
    record("a"),
    tags={"adapter": "a"},
    artifacts={"report/report.html": PAGE},
    children=(RunRecord("a/child", "child"),),
)
OTHER = replace(LOGGED, key="another", models=())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a report, a model and a champion; its path needs escapes in an address."""
    root = tmp_path_factory.mktemp("made") / "my? work%20 ü"
    root.mkdir()
    tracker = Tracker(tracking_uri(root))
    (version,) = tracker.register("stream", LOGGED, entry("a", 0.5)).versions
    tracker.follow("news.lora", Succession(version, None, ()), None)
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """The same, logged in a folder of this test."""
    root = shutil.copytree(made, tmp_path / "left")
    assert renewed(root)
    return root


def renewed(root: Path, given: RunRecord = LOGGED) -> MovedRuns:
    """Log anew what lies elsewhere, as :mod:`.tracking.anew` does; return what that was."""
    tracker = Tracker(tracking_uri(root))
    left = tracker.moved_runs()
    if left:
        tracker.register("stream", given, entry("a", 0.5))
        tracker.delete(left, [given.key])
    return left


def client(root: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri(root))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def require_whole(root: Path) -> None:
    """Ask MLflow alone, as a person's own program would, for the report's page and the champion's files."""
    from mlflow.artifacts import download_artifacts

    asked = client(root)
    (experiment,) = (candidate for candidate in asked.search_experiments() if candidate.name != "Default")
    runs = asked.search_runs([experiment.experiment_id])
    assert (experiment.name, len(runs)) == ("stream", 2)
    run = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    page = download_artifacts(
        run_id=run.info.run_id, artifact_path="report/report.html", tracking_uri=tracking_uri(root)
    )
    assert Path(page).read_bytes() == PAGE
    (model,) = asked.search_logged_models([experiment.experiment_id])
    (version,) = asked.search_model_versions()
    assert (version.name, version.version) == ("news.lora", 1)
    champion = asked.get_model_version_by_alias("news.lora", "champion")
    assert (champion.version, champion.source) == (version.version, model.artifact_location)
    uri = asked.get_model_version_download_uri("news.lora", version.version)
    assert (Path(download_artifacts(artifact_uri=uri)) / "weights.txt").read_text() == "weights"
    here = root.resolve().as_uri()
    assert all(location.startswith(here) for location in (uri, experiment.artifact_location, run.info.artifact_uri))
    folders = {path.name for path in (root / "mlartifacts").iterdir()}
    assert folders == {run.info.run_id, "models"}, "the files of the runs before are gone"
    assert [path.name for path in (root / "mlartifacts" / "models").iterdir()] == [model.model_id]


def test_a_moved_workspace_is_whole_and_leaves_nothing_where_it_was(workspace: Path, tmp_path: Path) -> None:
    root = workspace.rename(tmp_path / "moved to")
    left = renewed(root)
    assert (left.roots, left.adapters, left.versions) == ({root_of("a")}, {"a"}, (("news.lora", "a"),))
    require_whole(root)
    assert not renewed(root)
    assert not workspace.exists()


def test_of_many_models_each_is_deleted_where_it_was(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow lists models page by page, 100 at a time."""
    root, others = shutil.copytree(made, tmp_path / "left"), [record(name) for name in "bc"]
    renewed(root)
    for other in others:
        Tracker(tracking_uri(root)).sync("stream", other)
    root = root.rename(tmp_path / "moved")
    tracker = Tracker(tracking_uri(root))
    left = tracker.moved_runs()
    for logged in (LOGGED, *others):
        tracker.sync("stream", logged)
    client_class = type(client(root))
    monkeypatch.setattr(
        client_class, "search_logged_models", partialmethod(client_class.search_logged_models, max_results=1)
    )
    tracker.delete(left, ["a", "b", "c"])
    monkeypatch.undo()
    asked = client(root)
    live = asked.search_logged_models([experiment.experiment_id for experiment in asked.search_experiments()])
    assert sorted(path.name for path in (root / "mlartifacts" / "models").iterdir()) == sorted(
        model.model_id for model in live
    )
    assert sorted(model.name[0] for model in live) == ["a", "b", "c"]


def test_a_copied_workspace_never_writes_into_the_original(workspace: Path, tmp_path: Path) -> None:
    before = files(workspace)
    root = shutil.copytree(workspace, tmp_path / "copied")
    Tracker(tracking_uri(root)).sync("stream", OTHER)
    assert files(workspace) == before
    assert renewed(root)
    assert files(workspace) == before
    assert not renewed(workspace)
    require_whole(workspace)


def test_what_was_cut_off_is_completed_by_the_next(workspace: Path, tmp_path: Path) -> None:
    root = workspace.rename(tmp_path / "moved")
    Tracker(tracking_uri(root)).register("stream", LOGGED, entry("a", 0.5))
    assert client(root).get_registered_model("news.lora").aliases == {}, "the alias is still on the version before"
    assert renewed(root)
    require_whole(root)


def test_a_link_to_a_workspace_is_the_same_workspace(workspace: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(workspace)
    assert not renewed(link)
    root, other = workspace.rename(tmp_path / "moved"), tmp_path / "other link"
    other.symlink_to(root)
    assert renewed(other)
    other.unlink()
    require_whole(root)


def test_runs_of_others_and_what_the_workspace_no_longer_has_stay(workspace: Path, tmp_path: Path) -> None:
    old = Tracker(tracking_uri(workspace))
    old.sync("stream", OTHER)
    made = client(workspace)
    theirs = made.create_experiment("theirs", artifact_location=f"{tmp_path.as_uri()}/elsewhere/mlartifacts-2")
    below = made.create_experiment("below", artifact_location=f"{workspace.as_uri()}/mlartifacts/9")
    own = made.create_run(made.get_experiment_by_name("stream").experiment_id)
    root = workspace.rename(tmp_path / "moved")
    left = renewed(root)
    assert left.roots == {root_of("a"), root_of("another")}
    asked = client(root)
    assert asked.get_experiment(theirs).lifecycle_stage == asked.get_experiment(below).lifecycle_stage == "active"
    kept = asked.get_experiment(asked.get_run(own.info.run_id).info.experiment_id)
    assert kept.name == f"stream (before the move, {kept.experiment_id})"
    runs = asked.search_runs([kept.experiment_id])
    assert {run.data.tags.get("workbench.key") for run in runs} == {"another", "a/child", None}
    assert not Tracker(tracking_uri(root)).moved_runs(), "it is not looked through again"


def test_a_database_that_left_its_artifacts_behind_keeps_them(workspace: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (workspace / "mlflow.db").rename(alone / "mlflow.db")
    assert not Tracker(tracking_uri(alone)).moved_runs()


@pytest.mark.parametrize(
    ("location", "is_left"),
    [
        ("file:///old/mlartifacts", True),
        ("/old/mlartifacts/models/m-1/artifacts", True),
        ("file:///old/mlartifacts-2/1", False),
        ("mlflow-artifacts:/old/mlartifacts", False),
        ("s3://bucket/mlartifacts/1", False),
        ("models:/m-1", False),
    ],
)
def test_locations_that_are_no_folder_of_artifacts_are_not_ours(location: str, is_left: bool, tmp_path: Path) -> None:
    place = DatabaseFiles.of_database(tmp_path / "mlflow.db")
    assert place.is_left(location) is is_left
    assert not place.is_left(f"{place.artifacts.as_uri()}/1")


@pytest.mark.parametrize("name", ["..", "../kept", "kept", "/", ""])
def test_files_that_a_database_from_elsewhere_names_are_not_deleted(name: str, tmp_path: Path) -> None:
    for folder in (tmp_path / "kept", tmp_path / "mlartifacts" / "kept", tmp_path / "mlartifacts" / ("0" * 32)):
        folder.mkdir(parents=True)
    clear(tmp_path / "mlartifacts", name)
    assert len([*tmp_path.rglob("*")]) == 4
    clear(tmp_path / "mlartifacts", "0" * 32)
    assert len([*tmp_path.rglob("*")]) == 3


def test_files_that_were_deleted_come_back_with_the_next_sync(workspace: Path) -> None:
    shutil.rmtree(workspace / "mlartifacts")
    Tracker(tracking_uri(workspace)).sync("stream", LOGGED)
    require_whole(workspace)


def test_a_file_that_was_cut_comes_back_with_the_next_sync(workspace: Path) -> None:
    (page,) = (workspace / "mlartifacts").rglob("report.html")
    page.write_bytes(PAGE[:-1])
    Tracker(tracking_uri(workspace)).sync("stream", LOGGED)
    assert page.read_bytes() == PAGE
