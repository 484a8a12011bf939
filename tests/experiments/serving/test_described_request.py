"""The server that a registered version's description names answers the request that the description shows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.adapter_run import entry
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.mlflow.address import tracking_uri
from tests.served import serving

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine"),
]


def answered(description: str, address: str) -> dict[str, object]:
    """Run the request of a description at ``address``, in place of the server's usual port, and return the answer."""
    (line,) = (line.strip() for line in description.splitlines() if line.strip().startswith("curl "))
    assert line.startswith("curl localhost:8080/"), "the port that `workbench serve` takes by itself"
    words = shlex.split(line.replace("localhost:8080", address, 1))
    done = subprocess.run(
        [*words, "--silent", "--show-error", "--fail-with-body", "--max-time", "30", "--noproxy", "*"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("task", ["animals", "pairs"])
def test_a_registered_version_s_request_is_answered(
    task: str, copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    bench = Workbench(copied.root, listener=Silent())
    registered = bench.release.register(task)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(copied.root))
    version = client.get_model_version(registered.name, registered.version)
    (command,) = re.findall(r"`(workbench serve [^`]+)`", version.description)
    with serving(command, copied) as server:
        answer = answered(version.description, server.address)
    adapter = bench.chosen(task)
    assert answer["adapter"] == version.tags["workbench.adapter"] == adapter
    predictions = bench.predict(adapter, [("A text.", "Another.")] if task == "pairs" else ["A text."])
    (served,) = answer["answers"]
    assert (served["label"], served["confidence"]) == (predictions[0].label, predictions[0].confidence)


def test_the_request_of_every_kind_of_task_is_answered(workspace: Workspace) -> None:
    with serving("workbench serve", workspace) as server:
        for name in workspace.adapters.ids():
            answer = answered(entry(workspace.adapters.get(name), None).description, server.address)
            assert answer["adapter"] == name
            assert len(answer["answers"]) == 1, name
