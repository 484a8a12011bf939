"""The UI command serves on loopback and leaves no process behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from adapter_workbench.experiments.cli import ui
from adapter_workbench.workbench.mlflow import database
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.runs import ROOT_TAG
from adapter_workbench.workbench.mlflow.tracker import Newest, Tracker
from adapter_workbench.workbench.mlflow.view import View
from tests.conftest import Call
from tests.hostile_folder import hostile_folder
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def started(workspace: Path, folder: Path) -> subprocess.Popen[str]:
    """Start the UI as its script does, which has no current folder on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    program = [sys.executable, "-P", "-c", "from adapter_workbench.experiments.cli import main; main()"]
    return subprocess.Popen(
        [*program, "ui", "--workspace", str(workspace)], cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_a_port_that_is_taken_is_told_before_an_address_is_printed(call: Call, tmp_path: Path) -> None:
    Tracker(tracking_uri(tmp_path)).sync("stream", RunRecord(key="key", name="run"))
    with socket.create_server((ui.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = call("ui", "--workspace", str(tmp_path), "--port", str(port))
    assert (code, out) == (2, "")
    assert f"--port: nothing can listen at 127.0.0.1:{port}: Address already in use" in err


def test_a_workspace_has_the_same_port_each_time(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "_serve", lambda command, store: None)
    addresses = []
    for name in ("one", "one", "other"):
        Tracker(tracking_uri(tmp_path / name)).sync("stream", RunRecord(key="key", name="run"))
        _, out, _ = call("ui", "--workspace", str(tmp_path / name))
        addresses.append(re.findall(r"MLflow UI: http://127\.0\.0\.1:(\d+)/", out)[0])
    assert addresses[0] == addresses[1]
    assert addresses[0] != addresses[2]
    with socket.create_server((ui.HOST, int(addresses[0]))):
        assert addresses[0] not in call("ui", "--workspace", str(tmp_path / "one"))[1]


def test_the_addresses_of_table_and_curves_are_printed(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "_serve", lambda command, store: None)
    view = View(("label",), ("forgetting",), ("forgetting",))
    tracker = Tracker(tracking_uri(tmp_path))
    tracker.sync("stream", RunRecord("key", "run", {ROOT_TAG: "root"}, view=view))
    tracker.sync("adapters", RunRecord("other", "run", {ROOT_TAG: "root"}, view=View(("task",), ("test_score",))))
    _, out, _ = call("ui", "--workspace", str(tmp_path))
    assert out.count("  all runs: http://127.0.0.1:") == 2
    (curves,) = re.findall(r"  curves: http://127\.0\.0\.1:\d+/#/experiments/\d+/runs\?(.*)", out)
    assert "viewStateShareKey=workbench-curves&compareRunsMode=CHART" in curves


@pytest.mark.acceptance
def test_the_ui_shows_what_was_logged_and_goes_without_a_trace(tmp_path: Path) -> None:
    record = RunRecord(key="key", name="run", metrics=(("accuracy/animals", 0.5, 1),))
    Tracker(tracking_uri(tmp_path)).sync("stream", record)
    folder, canary = hostile_folder(tmp_path)
    with started(tmp_path, folder) as program:
        assert program.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", program.stdout.readline())
        assert address
        names = _experiments(address[0])
        children = psutil.Process(program.pid).children(recursive=True)
        program.send_signal(signal.SIGTERM)
        program.wait(timeout=PATIENCE)
    assert "stream" in names
    assert children
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive
    assert not canary.exists(), "modules in the current folder were run"


def test_a_workspace_that_cannot_be_written_is_shown_from_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    from mlflow.tracking import MlflowClient

    original, colleague = tmp_path / "original", tmp_path / "colleague's"
    original.mkdir()
    record = RunRecord("key", "run", {ROOT_TAG: "root"}, artifacts={"report/report.html": b"page"})
    Tracker(tracking_uri(original)).sync("stream", record)
    Tracker(tracking_uri(original)).sync("adapters", RunRecord("other", "no report", {ROOT_TAG: "root"}))
    shutil.copytree(original, colleague)
    before = (colleague / "mlflow.db").read_bytes()
    served: list[str] = []

    def serve(command: list[str], store: str) -> None:
        assert store not in command, "other users of the machine can read a command line"
        client = MlflowClient(store)
        (run,) = client.search_runs([client.get_experiment_by_name("stream").experiment_id])
        served.append(run.info.artifact_uri)

    monkeypatch.setattr(database, "is_writable", lambda path: False)
    monkeypatch.setattr(ui, "_serve", serve)
    code, out, err = call("ui", "--workspace", str(colleague))
    assert (code, err) == (0, "")
    assert "cannot be written" in out
    assert "stream: http://127.0.0.1:" in out
    assert out.count("/artifacts/report/report.html") == 1
    assert served[0].startswith((original / "mlartifacts").as_uri()), "no record here, of which it could be logged anew"
    assert (colleague / "mlflow.db").read_bytes() == before


def test_a_server_s_password_is_not_printed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setattr(Tracker, "newest", lambda *_: [Newest("stream", "experiments/1/runs/2", True)])
    code, out, err = call("ui")
    assert (code, err, out.count("http://127.0.0.1:9/#/")) == (0, "", 3), "the server, the run and its report"
    assert "secret" not in out


@pytest.mark.parametrize(
    ("address", "code"),
    [("sqlite:///", 2), ("postgresql://nobody@127.0.0.1:1/x", 1), ("htp:/x", 1), ("http://[::1", 1)],
)
def test_an_address_that_leads_nowhere_is_one_message(
    address: str, code: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    exit_code, _, err = call("ui")
    assert exit_code == code
    assert err.startswith("Error: ")
    assert err.count("\n") == 2


def _experiments(address: str) -> list[str]:
    url = f"{address}/api/2.0/mlflow/experiments/search?max_results=9"
    for _ in range(2 * int(PATIENCE)):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return [experiment["name"] for experiment in json.load(answer)["experiments"]]
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError("the UI never answered")
