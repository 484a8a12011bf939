"""The real MLflow on SQLite, and a server that is not there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.client_settings import QUICK
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG, RunRecord
from adapter_workbench.workbench.mlflow.tracker import Tracker
from adapter_workbench.workbench.mlflow.view import CURVES, SHARED, TABLE, View
from tests.connections import counted_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = RunRecord(
    key="abc/lora/0",
    name="lora, seed 0",
    tags={"strategy": "isolated", "seed": "0"},
    params={"rank": "8"},
    metrics=(("accuracy/bbc", 0.9, 1), ("accuracy/tweets", None, 1), ("forgetting", float("nan"), 1)),
    finished=False,
)
PARENT = RunRecord(
    key="abc",
    name="quickstart",
    tags={NOTE_TAG: "**Verdict**", "recipe": "quickstart"},
    artifacts={"report/report.html": b"<p>1</p>", "report/figures/matrix.png": b"png"},
    children=(CHILD,),
    finished=False,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the module: a fresh one takes MLflow more than a second to set up."""
    return tmp_path_factory.mktemp("mlflow") / "work space" / "mlflow.db"


@pytest.fixture
def tracker(database: Path) -> Tracker:
    return Tracker(f"sqlite:///{database}")


def test_a_run_is_called_by_what_came_out_unless_a_person_has_called_it_otherwise(tracker: Tracker) -> None:
    def shown() -> tuple[list[str], str]:
        client = tracker._client
        experiment = client.get_experiment_by_name("titled")
        runs = client.search_runs([experiment.experiment_id], "tags.`workbench.key` = 'abc'")
        return [run.info.run_name for run in runs], experiment.tags[NOTE_TAG]

    tracker.sync("titled", PARENT, "A stream.")
    assert shown() == (["quickstart"], "A stream.")
    for forgot in ("12.9", "8.4"):
        done = replace(PARENT, finished=True, title=f"full forgot {forgot} · lora 0.0")
        run = tracker.sync("titled", done, "A stream.")
        assert shown() == ([done.title], f"**Newest run: full forgot {forgot} · lora 0.0.** A stream.")
        assert tracker.sync("titled", done, "A stream.") == run, "the same run is found, whatever it is called"
    tracker.sync("titled", PARENT, "A stream.")
    assert shown()[0] == [done.title], "while it goes on, the last title stays"

    experiment = tracker._client.get_experiment_by_name("titled").experiment_id
    tracker._client.update_run(run, name="mine")
    tracker._client.set_experiment_tag(experiment, NOTE_TAG, "My own words.")
    assert tracker.sync("titled", replace(done, title="full forgot 7.0"), "A stream.") == run
    assert shown() == (["mine"], "My own words.")


def state(tracker: Tracker, experiment: str) -> dict[str, Any]:
    """Everything stored in an experiment, by run key; histories as (value, step, timestamp)."""
    client = tracker._client
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {
        run.data.tags["workbench.key"]: {
            "id": run.info.run_id,
            "status": run.info.status,
            "tags": run.data.tags,
            "params": run.data.params,
            "metrics": {
                name: [(m.value, m.step, m.timestamp) for m in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
        }
        for run in runs
    }


def test_a_second_sync_changes_nothing(tracker: Tracker) -> None:
    assert tracker.sync("twice", PARENT) == tracker.sync("twice", PARENT)
    first = state(tracker, "twice")
    Tracker(tracker.uri).sync("twice", PARENT)
    assert state(tracker, "twice") == first


def test_runs_are_nested_and_hold_what_the_record_says(tracker: Tracker) -> None:
    parent = tracker.sync("nested", PARENT)
    stored = state(tracker, "nested")
    assert set(stored) == {"abc", "abc/lora/0"}
    assert stored["abc"]["id"] == parent
    assert stored["abc"]["tags"][NOTE_TAG] == "**Verdict**"
    child = stored["abc/lora/0"]
    assert child["tags"]["mlflow.parentRunId"] == parent
    assert child["tags"]["mlflow.runName"] == "lora, seed 0"
    assert child["params"] == {"rank": "8"}
    assert [(value, step) for value, step, _ in child["metrics"].pop("accuracy/bbc")] == [(0.9, 1)]
    assert not child["metrics"], "what was not measured is not logged"
    assert child["status"] == "RUNNING"


def test_runs_below_a_deleted_run_go_below_the_one_that_takes_its_place(tracker: Tracker) -> None:
    tracker._client.delete_run(tracker.sync("replaced", PARENT))
    parent = Tracker(tracker.uri).sync("replaced", PARENT)
    stored = state(tracker, "replaced")
    assert stored["abc"]["id"] == parent
    assert stored["abc/lora/0"]["tags"]["mlflow.parentRunId"] == parent


def test_a_record_that_grows_adds_only_what_is_new(tracker: Tracker) -> None:
    tracker.sync("growing", PARENT)
    before = state(tracker, "growing")["abc/lora/0"]["metrics"]["accuracy/bbc"]
    grown = replace(CHILD, metrics=(*CHILD.metrics, ("accuracy/bbc", 0.8, 2), ("forgetting", 0.0, 2)), finished=True)
    other = replace(CHILD, key="abc/lora/1", metrics=(("accuracy/bbc", 0.7, 1),))
    tracker.sync("growing", replace(PARENT, tags={**PARENT.tags, NOTE_TAG: "new"}, children=(grown, other)))
    after = state(tracker, "growing")
    assert len(after) == 3
    child = after["abc/lora/0"]
    assert child["metrics"]["accuracy/bbc"][:1] == before
    assert [(value, step) for value, step, _ in child["metrics"]["accuracy/bbc"]] == [(0.9, 1), (0.8, 2)]
    assert [(value, step) for value, step, _ in child["metrics"]["forgetting"]] == [(0.0, 2)]
    assert child["status"] == "FINISHED"
    assert after["abc"]["tags"][NOTE_TAG] == "new"


def test_a_history_is_asked_for_once_and_again_after_a_failure_or_another_writer(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow takes a request for each metric, and a server with passwords may take a tenth of a second for it."""

    def grown(points: int) -> RunRecord:
        return replace(CHILD, key="asked", metrics=tuple(("accuracy/bbc", 1 / step, step) for step in range(1, points)))

    asked: list[str] = []
    tracker.sync("asked", grown(2))
    other = Tracker(tracker.uri)
    for client in (tracker._client, other._client):
        ask = client.get_metric_history
        monkeypatch.setattr(
            client, "get_metric_history", lambda run, name, ask=ask: asked.append(name) or ask(run, name), raising=False
        )
    for points in (3, 4):
        tracker.sync("asked", grown(points))
    assert not asked, "what this tracker wrote, it knows"
    for points in (5, 6):
        other.sync("asked", grown(points))
    assert asked == ["accuracy/bbc"]
    tracker.sync("asked", grown(7))
    assert asked == ["accuracy/bbc"] * 2, "another tracker wrote to the run"
    for name in ("log_batch", "set_tag"):
        with monkeypatch.context() as patch:
            patch.setattr(
                tracker._client, name, lambda *_, **__: (_ for _ in ()).throw(OSError("cut off")), raising=False
            )
            with pytest.raises(TrackingError, match="cut off"):
                tracker.sync("asked", grown(8))
    tracker.sync("asked", grown(8))
    assert asked == ["accuracy/bbc"] * 4
    (history,) = state(tracker, "asked")["asked"]["metrics"].values()
    steps = [step for _, step, _ in history]
    assert steps == sorted({*steps}) == [*range(1, 8)]


def test_a_run_lasts_as_long_as_the_work_took(tracker: Tracker) -> None:
    record = replace(PARENT, key="timed", children=(), finished=True, began=1_700_000_000.0, seconds=12.5)

    def times(run: str) -> tuple[int, int]:
        info = tracker._client.get_run(run).info
        return info.start_time, info.end_time - info.start_time

    assert times(tracker.sync("timed", record)) == (1_700_000_000_000, 12_500)
    assert times(tracker.sync("timed", replace(record, seconds=20.0))) == (1_700_000_000_000, 20_000)
    earlier = tracker.sync("timed", replace(record, key="earlier", began=None, seconds=None))
    again = tracker.sync("timed", replace(record, key="earlier", began=None))
    assert (earlier, times(earlier)[1]) == (again, 12_500), "one that was logged by an earlier version follows"


def test_an_experiment_has_the_columns_and_charts_of_its_newest_view(tracker: Tracker) -> None:
    view = View(("label",), ("forgetting",), ("forgetting",))
    tracker.sync("viewed", replace(PARENT, view=view))
    tracker.sync("viewed", replace(PARENT, view=replace(view, metrics=("forgetting", "accuracy/bbc"))))
    tags = tracker._client.get_experiment_by_name("viewed").tags
    table, curves = (json.loads(tags[f"{SHARED}{name}"]) for name in (TABLE, CURVES))
    assert table["selectedColumns"] == ["tags.`label`", "metrics.`forgetting`", "metrics.`accuracy/bbc`"]
    (chart,), (section,) = curves["compareRunCharts"], curves["compareRunSections"]
    assert section["columns"] == 2, "of three, titles are cut"
    assert (chart["type"], chart["metricKey"], chart["metricSectionId"]) == ("LINE", "forgetting", section["uuid"])
    assert (chart["lineSmoothness"], chart["useGlobalLineSmoothing"]) == (0, False), (
        "points are where they were measured"
    )
    assert curves["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "label"}]
    assert all(f"viewStateShareKey={name}" in view.links() for name in (TABLE, CURVES))
    assert CURVES not in replace(view, curves=()).links()
    assert all(len(content) < 5000 for name, content in tags.items()), "as many characters as MLflow keeps of a tag"


def test_a_sync_that_was_cut_off_is_completed(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "adapter_workbench.workbench.mlflow.runs._upload",
            lambda *_: (_ for _ in ()).throw(OSError("the disk is full")),
        )
        with pytest.raises(TrackingError, match="the disk is full"):
            tracker.sync("cut-off", replace(PARENT, metrics=(("lora/forgetting", 0.1, 1),)))
    tracker.sync("cut-off", replace(PARENT, metrics=(("lora/forgetting", 0.1, 1),)))
    stored = state(tracker, "cut-off")
    assert set(stored) == {"abc", "abc/lora/0"}
    assert len(stored["abc"]["metrics"]["lora/forgetting"]) == 1


def test_artifacts_lie_in_the_workspace_and_follow_the_record(tracker: Tracker, database: Path) -> None:
    run = tracker.sync("artifacts", PARENT)
    folder = database.parent / "mlartifacts" / run / "artifacts"
    assert (folder / "report/report.html").read_bytes() == b"<p>1</p>"
    assert (folder / "report/figures/matrix.png").read_bytes() == b"png"
    tracker.sync("artifacts", replace(PARENT, artifacts={"report/report.html": b"<p>2</p>"}))
    assert (folder / "report/report.html").read_bytes() == b"<p>2</p>"


def test_an_experiment_is_described_once_and_its_newest_run_is_found(tracker: Tracker) -> None:
    note = "[report](#/experiments/{experiment_id}/runs/{run_id}/artifacts/report/report.html)"
    record = replace(PARENT, tags={NOTE_TAG: note})
    run = tracker.sync("described", record, about="what it is")
    client = tracker._client
    experiment = client.get_experiment_by_name("described")
    assert experiment.tags[NOTE_TAG] == "what it is"
    client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, "what a person wrote")
    assert tracker.sync("described", record, about="what it is") == run
    assert client.get_experiment_by_name("described").tags[NOTE_TAG] == "what a person wrote"
    path = f"experiments/{experiment.experiment_id}/runs/{run}"
    assert client.get_run(run).data.tags[NOTE_TAG] == f"[report](#/{path}/artifacts/report/report.html)"
    assert ("described", path, True, {}) in tracker.newest("report/report.html")
    assert ("described", path, False, {}) in tracker.newest("report/other.html")


def test_experiments_are_found_whose_runs_are_not_on_the_first_page(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("older", "newer"):
        tracker.sync(name, PARENT)
    whole = tracker.newest("report/report.html")
    monkeypatch.setattr(tracker._client, "search_runs", partial(tracker._client.search_runs, max_results=2))
    assert tracker.newest("report/report.html") == whole
    assert {"older", "newer"} <= {name for name, *_ in whole}


def test_runs_of_others_are_not_asked_for(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    client, seen = tracker._client, []
    tracker.sync("ours", PARENT)
    foreign = client.create_experiment("theirs")
    client.create_run(foreign)

    def searched(*given: Any, **options: Any) -> Any:
        found = search(*given, **options)
        seen.extend(run.info.experiment_id for run in found)
        return found

    search = client.search_runs
    monkeypatch.setattr(client, "search_runs", searched)
    assert "ours" in {name for name, *_ in tracker.newest("report/report.html")}
    assert seen
    assert foreign not in seen


def test_large_records_fit_the_limits_of_a_batch(tracker: Tracker) -> None:
    large = RunRecord(
        key="large",
        name="large",
        params={f"p{i}": "1" for i in range(230)},
        metrics=tuple((f"m{i % 50}", i / 7, i) for i in range(1900)),
        tags={NOTE_TAG: "word " * 3000},
    )
    tracker.sync("large", large)
    stored = state(tracker, "large")["large"]
    assert len(stored["params"]) == 230
    assert sum(len(history) for history in stored["metrics"].values()) == 1900


def test_names_use_the_allowed_characters_and_stay_apart(tracker: Tracker) -> None:
    assert metric_name("accuracy", "bbc-news") == "accuracy/bbc-news"
    odd = ["a+b", "a*b", "../x", "für", "", "a/b", "a  $ b", "."]
    names = [metric_name("accuracy", name) for name in odd]
    assert len(set(names)) == len(odd)
    tracker.sync("names", RunRecord("n", "n", metrics=tuple((name, 1.0, 0) for name in names)))
    assert set(state(tracker, "names")["n"]["metrics"]) == set(names)


def test_a_deleted_experiment_is_not_brought_back(tracker: Tracker) -> None:
    tracker.sync("deleted", PARENT)
    client = tracker._client
    client.delete_experiment(client.get_experiment_by_name("deleted").experiment_id)
    with pytest.raises(TrackingError, match="was deleted"):
        tracker.sync("deleted", PARENT)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes a connection and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_dead_server_is_asked_once(closed_port: int) -> None:
    before = dict(os.environ)
    with counted_connections() as asked, pytest.raises(TrackingError, match="report EXPERIMENT --log") as caught:
        Tracker(f"http://127.0.0.1:{closed_port}").sync("quickstart", PARENT)
    assert len(asked) == 1, "MLflow's client alone would try again for minutes"
    assert str(closed_port) in str(caught.value)
    assert dict(os.environ) == before


def test_a_silent_server_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with counted_connections() as asked, pytest.raises(TrackingError):
        Tracker(f"http://127.0.0.1:{silent_port}").sync("quickstart", PARENT)
    assert len(asked) == 1
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "1"


def test_a_uri_that_names_no_store_is_a_tracking_error() -> None:
    with pytest.raises(TrackingError):
        Tracker("gopher://nowhere").sync("quickstart", PARENT)


def test_where_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri(tmp_path) == "http://tracking:5000"


def test_the_switches_that_keep_mlflow_quick_and_quiet_exist() -> None:
    from mlflow import environment_variables

    assert [name for name in QUICK if not hasattr(environment_variables, name)] == []


def test_a_fresh_database_is_set_up_in_silence_and_importing_is_cheap(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from adapter_workbench.workbench.mlflow.run_record import RunRecord\n"
        "from adapter_workbench.workbench.mlflow.tracker import Tracker\n"
        "assert 'mlflow' not in sys.modules\n"
        f"Tracker('sqlite:///{tmp_path}/mlflow.db').sync('quiet', RunRecord('k', 'n', metrics=(('a', 1.0, 0),)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db"}
