"""The UI command serves on loopback and leaves no process behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from tests.hostile_folder import hostile_folder
from workbench.tracking import RunRecord, Tracker, tracking_uri

ROOT = Path(__file__).parents[2]


def started(workspace: Path, folder: Path) -> subprocess.Popen[str]:
    """Start the UI as its script does, which has no current folder on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    program = [sys.executable, "-P", "-c", "from experiments.cli import main; main()"]
    return subprocess.Popen(
        [*program, "ui", "--workspace", str(workspace)], cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_the_ui_shows_what_was_logged_and_goes_without_a_trace(tmp_path: Path) -> None:
    record = RunRecord(key="key", name="run", metrics=(("accuracy/animals", 0.5, 1),))
    Tracker(tracking_uri(tmp_path)).sync("stream", record)
    folder, canary = hostile_folder(tmp_path)
    with started(tmp_path, folder) as ui:
        assert ui.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", ui.stdout.readline())
        assert address
        names = _experiments(address[0])
        children = psutil.Process(ui.pid).children(recursive=True)
        ui.send_signal(signal.SIGTERM)
        ui.wait(timeout=20)
    assert "stream" in names
    assert children
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert not canary.exists(), "modules in the current folder were run"


def _experiments(address: str) -> list[str]:
    url = f"{address}/api/2.0/mlflow/experiments/search?max_results=9"
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return [one["name"] for one in json.load(answer)["experiments"]]
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError("the UI never answered")
