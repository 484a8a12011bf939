"""MLflow's registry, its pyfunc, its scoring server, and its tracking server that asks for a name and a password."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.mlflow.address import VARIABLE, tracking_uri
from tests.conftest import Call, environment
from tests.mlflow_server import PASSWORD, USER, Server, stored
from tests.neighbours import environments
from tests.neighbours.compared import Compared, installed, keep
from tests.patience import PATIENCE
from tests.streams import write_recipe, write_tasks

BUDGET = {"epochs": 1, "batch_size": 8, "max_length": 16, "precision": "fp32"}
TEXTS = ["the cat often", "a plum very", "some horse this"]
SMALL = ["name=guarded", "tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1"]
LOADING = """
import json, sys
import pandas as pd
from mlflow.pyfunc import load_model
frame = load_model(sys.argv[1]).predict(pd.DataFrame({"text": json.loads(sys.argv[2])}))
print(json.dumps([frame["label"].tolist(), frame["confidence"].tolist()]))
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return Workbench(tmp_path / "work", [write_tasks(tmp_path)])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a name and a password, with the package that MLflow needs for it."""
    python = environments.environment("mlflow-auth", "Flask-WTF<2").folder / "bin" / "python"
    server = Server(tmp_path_factory.mktemp("guarded"), python, users=True)
    server.start()
    yield server
    server.kill()


def trained(bench: Workbench, bert: Path) -> str:
    lesson = bench.lesson("animals", "lora", str(bert), 0, learning_rate=0.02, budget=BUDGET)
    return bench.train(lesson).adapter.id


def furthest(labels: list[str], confidences: list[float], wanted: Any) -> float:
    """Assert that the labels are the workbench's, and return how far a confidence is off at most."""
    assert labels == [prediction.label for prediction in wanted]
    return max(abs(own - prediction.confidence) for own, prediction in zip(confidences, wanted, strict=True))


@pytest.mark.neighbour
def test_what_a_server_with_passwords_holds_is_what_a_database_would(
    guarded: Server, bert: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, database = str(write_recipe(tmp_path, bert)), f"sqlite:///{tmp_path}/plain.db"
    assignments = [part for assignment in SMALL for part in ("--set", assignment)]
    monkeypatch.setenv(VARIABLE, guarded.uri_of(USER, "wrong"))
    code, _, err = call("run", recipe, *assignments)
    assert (code, err.count("Tracking:"), err.count("does not accept this user and password")) == (0, 1, 1)
    for address in (guarded.uri_of(USER, "wrong"), guarded.uri_of("nobody", PASSWORD), guarded.uri):
        monkeypatch.setenv(VARIABLE, address)
        code, _, err = call("report", "guarded", "--log")
        assert (code, len(err.splitlines())) == (1, 2), "as where the server is dead"
        assert "MLFLOW_TRACKING_USERNAME" in err
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    assert call("report", "guarded", "--log")[0] == 0
    first = stored(guarded.uri, "guarded")
    assert call("report", "guarded", "--log")[0] == 0
    assert stored(guarded.uri, "guarded") == first
    monkeypatch.setenv(VARIABLE, database)
    assert call("report", "guarded", "--log")[0] == 0
    assert stored(database, "guarded") == first, "nothing was lost"
    what = "runs of a stream on a server with basic auth, against those in a database"
    keep(Compared("MLflow", installed("mlflow"), "is asked", what, len(first) - 1, None))


@pytest.mark.neighbour
def test_a_registered_adapter_is_loaded_from_a_server_with_passwords(
    guarded: Server, bench: Workbench, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, guarded.uri_of(USER, PASSWORD))
    adapter = trained(bench, bert)
    uri = bench.release.register(adapter).uri
    python = environments.Environment(Path(sys.prefix))
    loaded = json.loads(python.run(LOADING, uri, json.dumps(TEXTS), PYTHONPATH=str(environments.ROOT)).splitlines()[-1])
    difference = furthest(*loaded, bench.predict(adapter, TEXTS))
    assert difference < 1e-6
    what = "confidences of an adapter of its registry, loaded with pyfunc"
    keep(Compared("MLflow", installed("mlflow"), "reads", what, len(TEXTS), difference))


@contextmanager
def served(uri: str, model: str) -> Iterator[str]:
    """Serve a registered model on loopback; every process of it is gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command,
        env=environment(MLFLOW_TRACKING_URI=uri),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started: list[psutil.Process] = []
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/ping", lambda: server.poll() is None)
        started = psutil.Process(server.pid).children(recursive=True)
        yield address
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=PATIENCE)
        _, alive = psutil.wait_procs(started, timeout=PATIENCE)
        for process in alive:
            process.kill()
    assert not alive


def _wait(url: str, runs: Callable[[], bool]) -> None:
    for _ in range(360):
        assert runs(), "the server ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the server never answered")


@pytest.mark.acceptance
def test_a_champion_is_served_and_answers_as_predict_does(bench: Workbench, bert: Path) -> None:
    adapter = trained(bench, bert)
    registered = bench.release.register(adapter)
    assert registered.uri == "models:/animals.lora@champion"
    with served(tracking_uri(bench.workspace.root), registered.uri) as address:
        body = json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}}).encode()
        request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            rows = json.load(answer)["predictions"]
    columns = [row["label"] for row in rows], [row["confidence"] for row in rows]
    difference = furthest(*columns, bench.predict(adapter, TEXTS))
    assert difference < 1e-6
    what = "confidences over HTTP of `mlflow models serve`"
    keep(Compared("MLflow", installed("mlflow"), "reads", what, len(TEXTS), difference))
