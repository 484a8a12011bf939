"""What do many adapters cost a server, beside one, and beside MLflow's own server of one?

    python -m bench.served_adapters --out FILE.json

LoRAs for pairs of newsgroups, learned from next to nothing (16 examples, one step), are served by `workbench serve`
from one process. Clients send requests of several texts, and the answers a second are counted:

alone     one client asks about one text after another, all for the same adapter
one       all requests are for the same adapter
mixed     each request is for an adapter that is drawn
replaced  as mixed, while some adapters are taken out of the store and others answer for their tasks after each reload
mlflow    `mlflow models serve` answers the same requests with the adapter of `one`

Clients and servers share the machine. Servers listen on the loopback interface alone, one at a time.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.machine.interpreter import PYTHON, SAFE_PATH
from adapter_workbench.workbench.mlflow.address import tracking_uri
from bench import program
from bench.growth import BUDGET, COMMAND, pairs
from bench.serve_load import asked, load, some_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 120  # seconds that a server may take to be ready
ADDRESS = re.compile(r" at (http://\S+:\d+) ")


def main(
    context: typer.Context,
    out: program.Out,
    adapters: Annotated[int, typer.Option(min=2, max=190, help="Adapters that are served.")] = 20,
    replaced: Annotated[int, typer.Option(min=1, help="Of them, how many are replaced.")] = 3,
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at the same time.")] = 4,
    texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="How long each of the five takes.")] = 30.0,
) -> None:
    """Train, serve, ask, and print what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tasks = pairs(folder / "tasks", adapters)
        workbench = Workbench(folder / "workspace", [folder / "tasks"])
        ids = {
            task: [_trained(workbench, task, seed) for seed in range(1 + (task in tasks[:replaced]))] for task in tasks
        }
        with serving(folder) as (url, _):
            results = {
                "alone": load(url, tasks[-1:], 1, seconds, texts=1),
                "one": load(url, tasks[-1:], clients, seconds, texts=texts),
                "mixed": load(url, tasks, clients, seconds, texts=texts),
                "replaced": _replaced(url, workbench, ids, clients, seconds, texts),
            }
        registered = workbench.release.register(ids[tasks[-1]][0])
        with _serving_of_mlflow(registered.uri, workbench.workspace.root) as url:
            results["mlflow"] = _asked_mlflow(url, clients, seconds, texts)
    results["mixed_by_one"] = round(results["mixed"]["texts_per_second"] / results["one"]["texts_per_second"], 3)
    results["mixed_by_mlflow"] = round(results["mixed"]["texts_per_second"] / results["mlflow"]["texts_per_second"], 2)
    program.write(context, out, load=results)
    program.show(results)


def _trained(workbench: Workbench, task: str, seed: int) -> str:
    return workbench.train(workbench.lesson(task, "lora", seed=seed, budget=BUDGET)).adapter.id


def _replaced(
    url: str, workbench: Workbench, ids: dict[str, list[str]], clients: int, seconds: float, texts: int
) -> dict[str, Any]:
    """Return what came of requests while each task with two adapters lost the one that answered for it."""
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(load, url, list(ids), clients, seconds, None, texts)
        changes = []
        doubled = [task for task, task_ids in ids.items() if len(task_ids) > 1]
        for task in doubled:
            time.sleep(seconds / (len(doubled) + 1))
            before = _answering(url, task)
            workbench.workspace.adapters.remove(before)
            began = time.perf_counter()
            requests.post(f"{url}/reload", timeout=START).raise_for_status()
            changes.append({"reload_s": round(time.perf_counter() - began, 1), "new": _answering(url, task) != before})
        return {**asking.result(), "replacements": changes}


def _answering(url: str, task: str) -> str:
    body = {"texts": ["Which adapter is it?"], "task": task}
    answer = requests.post(f"{url}/predict", json=body, timeout=START)
    answer.raise_for_status()
    return str(answer.json()["adapter"])


def _asked_mlflow(url: str, clients: int, seconds: float, texts: int) -> dict[str, Any]:
    def request(_: int, number: int) -> dict[str, Any]:
        rows = [[text] for text in some_texts(number, texts)]
        return {"dataframe_split": {"columns": ["text"], "data": rows}}

    return asked(f"{url}/invocations", {}, request, clients, seconds, texts)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Serve the workspace in a folder while the block runs; yields the server's address, and its process."""
    command = [*COMMAND, "serve", "--port", "0", "--workspace", str(folder / "workspace"), *options]
    environment = {**os.environ, **SAFE_PATH}
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = ADDRESS.search(server.stdout.readline())
        if address is None:
            raise RuntimeError("workbench serve did not start")
        yield address[1], server.pid
    finally:
        server.terminate()
        server.wait(START)


@contextmanager
def _serving_of_mlflow(uri: str, workspace: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*PYTHON, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local"]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # uvicorn is one of them
    environment = {**os.environ, **SAFE_PATH, "PATH": programs, "MLFLOW_TRACKING_URI": tracking_uri(workspace)}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=environment, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server)
        yield url
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)  # its workers are processes of their own
        server.wait(START)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            if requests.get(f"{url}/ping", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise RuntimeError("mlflow models serve did not start")


if __name__ == "__main__":
    typer.run(main)
