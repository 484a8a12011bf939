"""Open the MLflow UI on this workspace."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.terminal.options import WorkspaceOption
from adapter_workbench.experiments.terminal.output import stderr, stdout
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.machine.interpreter import PYTHON, SAFE_PATH
from adapter_workbench.workbench.mlflow.relocation import ARTIFACTS

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.mlflow.tracker import Tracker

app = typer.Typer(add_completion=False)

FIRST_PORT, PORTS = 20_000, 10_000  # from which those of workspaces are; systems give away higher ones
PAGE = "report/report.html"  # among the artifacts of a run; adapters have none
HOST = "127.0.0.1"
WORKFLOW = "?workflowType=machine_learning"  # without it the UI is about traces and prompts, with runs hidden away
TRAINING_RUNS = f"#/experiments{WORKFLOW}"
STORE = "MLFLOW_BACKEND_STORE_URI"  # what `mlflow server --backend-store-uri` means
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nothing here needs the job runners, eight more processes
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",
}


@app.command()
def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the UI; 0 takes a free port.", show_default="the workspace's own, if free"
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the MLflow UI to this machine until Ctrl-C, and print the address of each experiment's newest report.

    Each workspace has its own port, because a browser remembers by address which panels are closed.
    """
    from adapter_workbench.experiments.workspace import find_workspace
    from adapter_workbench.workbench.errors import InputError
    from adapter_workbench.workbench.mlflow.address import printable_address, tracking_uri
    from adapter_workbench.workbench.mlflow.tracker import Tracker

    chosen_workspace = find_workspace(workspace)
    uri = tracking_uri(chosen_workspace.root)
    tracker = Tracker(uri)
    if uri.startswith(("http://", "https://")):
        stdout.print(
            f"$MLFLOW_TRACKING_URI names a server, which has its own UI: {printable_address(uri)}/{TRAINING_RUNS}"
        )
        _reports(printable_address(uri), tracker)
        _tell_champions(chosen_workspace)
        return
    if tracker.database and not tracker.database.is_file():
        hint = "Run something first (workbench run quickstart), or name another --workspace."
        raise InputError("nothing has been logged here yet", where=str(tracker.database.parent), hint=hint)
    with scratch_folder() as scratch:
        own = tracker
        if tracker.database:
            tracker = _writable(tracker, tracker.database, chosen_workspace, scratch)
        if tracker is own:
            _tell_champions(chosen_workspace)
        chosen = _own_port(chosen_workspace.root) if port is None else _free_port(port)
        address = f"http://{HOST}:{chosen}"
        stdout.print(f"MLflow UI: {address}/{TRAINING_RUNS}   (Ctrl-C ends it)")
        _reports(address, tracker)
        _serve(_command((chosen_workspace.root / ARTIFACTS).as_uri(), chosen, str(scratch)), tracker.uri)


def _tell_champions(workspace: Workspace) -> None:
    """Let MLflow's aliases follow the workspace's champions; where that cannot be done, the UI is shown too."""
    from adapter_workbench.experiments.gating.registry import reconcile
    from adapter_workbench.workbench.errors import WorkbenchError

    with suppress(WorkbenchError):  # a workspace that can only be read; or a server that says so when it is asked
        reconcile(workspace, stderr.print)


def _writable(tracker: Tracker, database: Path, workspace: Workspace, scratch: Path) -> Tracker:
    """Return the tracker itself, or one of a copy of its database, in ``scratch``, where nothing can be written.

    What a workspace that was moved has elsewhere is logged anew there.
    """
    from adapter_workbench.experiments.tracking.anew import log_anew
    from adapter_workbench.workbench.mlflow import database as databases
    from adapter_workbench.workbench.mlflow.bounded_client import LOCAL
    from adapter_workbench.workbench.mlflow.relocation import DatabaseFiles
    from adapter_workbench.workbench.mlflow.tracker import Tracker

    if databases.is_writable(database):
        return tracker
    copyfile(database, scratch / database.name)
    stdout.print("This workspace cannot be written: what is changed in the UI is not kept.")
    copy = f"{LOCAL}{scratch / database.name}"
    tracker = Tracker(copy, DatabaseFiles.of_database(database).artifacts)
    if tracker.moved_runs():
        tracker = Tracker(copy, scratch / ARTIFACTS)
        log_anew(tracker, workspace, stderr.print)
    return tracker


def _command(artifacts: str, port: int, scratch: str) -> list[str]:
    command = [*PYTHON, "-m", "mlflow", "server", "--default-artifact-root", artifacts]
    # uvicorn first looks in the current folder for what it serves, whatever Python's path is; give it an empty one
    serving = f"--log-level warning --app-dir {shlex.quote(scratch)}"
    return [*command, "--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", serving]


def _reports(address: str, tracker: Tracker) -> None:
    for run in tracker.newest(PAGE):
        stdout.print(f"{printable(run.experiment)}: {address}/#/{run.path}{WORKFLOW}")
        if run.has_artifact:
            stdout.print(f"  report: {address}/#/{run.path}/artifacts/{PAGE}{WORKFLOW}")
        for what, view in run.views.items():
            stdout.print(f"  {what}: {address}/{view}")


def _serve(command: list[str], store: str) -> None:
    """Run a server of a store, and all that it starts, until it ends or we are stopped; leave no process behind.

    The store's address may hold a password; on a command line every user of the machine could read it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = subprocess.Popen(command, env={**os.environ, **QUIET, **SAFE_PATH, STORE: store}, start_new_session=True)
    try:
        raise typer.Exit(server.wait())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _own_port(root: Path) -> int:
    """Return the port of a workspace, the same each time; any that is free where another program has it."""
    from adapter_workbench.workbench.errors import InputError

    try:
        return _free_port(FIRST_PORT + int(key(str(root.resolve()))[:8], 16) % PORTS)
    except InputError:
        return _free_port(0)


def _free_port(wanted: int) -> int:
    """Return ``wanted``, or for 0 any port that is free; raises InputError where nothing can listen at it."""
    from adapter_workbench.workbench.errors import InputError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, after one that has just ended
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            message, hint = f"nothing can listen at {HOST}:{wanted}: {error.strerror}", "--port 0 takes a free port."
            raise InputError(message, where="--port", hint=hint) from None
        port: int = probe.getsockname()[1]
        return port
