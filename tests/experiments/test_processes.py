"""Two processes that share one run: one lock, one report, whole folders, and a gradient of both batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_workbench.experiments.workspace import Workspace
from tests.patience import PATIENCE
from tests.streams import write_recipe


@pytest.mark.acceptance
def test_two_processes_share_a_run(bert: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, bert)
    program = tmp_path / "program.py"
    program.write_text("from adapter_workbench.experiments.cli import main\nmain()\n")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launch, str(program), "run", str(recipe), "--tasks", str(tmp_path / "tasks"), "--json"]
    changes = ("seeds=[0]", "tasks=[animals]", "budget.epochs=1", "budget.train_examples=32")
    settings = [*(f"--set={change}" for change in changes), "--workspace", str(tmp_path / "ws")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*command, *settings], capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["complete"], "the report is printed once"
    workspace = Workspace(tmp_path / "ws")
    (adapter,) = workspace.adapters.ids()
    assert workspace.adapters.verify(adapter).manifest.fit.steps == 2, "each step takes a batch of both"
    assert done.stderr.count("isolated") == 2, "progress is told once"
    assert done.stderr.count(": 2 steps") == 2
