"""A real MLflow server on loopback that can be killed and started again, and a line to it that is slow."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
USER, PASSWORD = "admin", "made-for-this-test"
BASIC_AUTH = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Server:
    """Keeps runs in SQLite and artifacts in a folder, both behind HTTP; always at the same address."""

    def __init__(self, folder: Path, python: str | Path = sys.executable, users: bool = False) -> None:
        self.folder, self.port, self.python, self.users = folder, free_port(), python, users
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if self.process and self.process.poll() is None:
            return
        stores = ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        stores += ["--artifacts-destination", str(self.folder / "artifacts")]
        address = ["--host", HOST, "--port", str(self.port), "--workers", "1"]
        guarded, variables = self._guarded() if self.users else ([], {})
        self.process = subprocess.Popen(
            [self.python, "-m", "mlflow", "server", *guarded, *stores, *address],
            env={**os.environ, **QUIET, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.wait(self.uri)

    def uri_of(self, user: str, password: str) -> str:
        """Return its address with a name and a password in it."""
        return f"http://{user}:{password}@{HOST}:{self.port}"

    def _guarded(self) -> tuple[list[str], dict[str, str]]:
        """Return options and variables with which it asks for a name and a password, hashed anew for each request."""
        settings = self.folder / "users.ini"
        settings.write_text(BASIC_AUTH.format(folder=self.folder, user=USER, password=PASSWORD), encoding="utf-8")
        variables = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test"}
        return ["--app-name", "basic-auth"], variables

    @staticmethod
    def wait(uri: str) -> None:
        """Wait until the server at ``uri`` answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
            time.sleep(0.1)
        raise AssertionError("the MLflow server never answered")

    def kill(self) -> None:
        """End it and its workers at once, whatever they are doing."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def slow_line(port: int, delay: float) -> Iterator[str]:
    """Yield an address behind which the server at ``port`` answers, each answer ``delay`` seconds late."""
    with socket.create_server((HOST, 0)) as listener:

        def forward(source: socket.socket, target: socket.socket, wait: float) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    time.sleep(wait)
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection((HOST, port))
                    for line in ((client, server, 0.0), (server, client, delay)):
                        threading.Thread(target=forward, args=line, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://{HOST}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def stored(uri: str, experiment: str) -> dict[str, Any]:
    """Return all that MLflow holds of an experiment, by run key, but for ids and times: two stores can be compared."""
    from mlflow.artifacts import list_artifacts
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    entity = client.get_experiment_by_name(experiment)
    runs = client.search_runs([entity.experiment_id])
    keys = {run.info.run_id: run.data.tags["workbench.key"] for run in runs}

    def files(run: str, folder: str | None = None) -> list[tuple[str, int | None]]:
        listed = list_artifacts(run_id=run, artifact_path=folder, tracking_uri=uri)
        deeper = [file for entry in listed if entry.is_dir for file in files(run, entry.path)]
        return [(entry.path, entry.file_size) for entry in listed if not entry.is_dir] + deeper

    def described(run: Any) -> dict[str, Any]:
        names = {run.info.run_id: "RUN", entity.experiment_id: "EXPERIMENT"}
        tags = {name: value for name, value in run.data.tags.items() if name != "mlflow.parentRunId"}
        note = tags.get("mlflow.note.content", "")
        for own, name in names.items():
            note = note.replace(f"/{own}", f"/{name}").replace(f"={own}", f"={name}")
        return {
            "name": run.info.run_name,
            "status": run.info.status,
            "tags": tags | {"mlflow.note.content": note},
            "parent": keys.get(run.data.tags.get("mlflow.parentRunId", "")),
            "params": run.data.params,
            "latest": run.data.metrics,
            "metrics": {
                name: [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
            "artifacts": sorted(files(run.info.run_id)),
        }

    assert len(set(keys.values())) == len(runs), "a run is there twice"
    return {keys[run.info.run_id]: described(run) for run in runs} | {"about": entity.tags.get("mlflow.note.content")}
