"""The files of docs/cluster are what Ray, Kubernetes and SLURM take, as far as that can be tried on one machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import check
from tests.conftest import Call
from tests.two_nodes import APART, alone, in_a_network_of_its_own

pytest.importorskip("ray", reason="the package ray is not installed")

FILES = Path(__file__).parents[2] / "docs" / "cluster"
SLURM = FILES / "slurm.sbatch"
TOOLS = {
    "scontrol": "echo localhost",
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done\n[ "$1" = hostname ] && echo 127.0.0.1 && exit\nexec "$@"',
}


def commands(text: str) -> Iterator[str]:
    """Yield the workbench commands in a text."""
    yield from (command.rstrip() for command in re.findall(r"workbench run [\w-]+(?: --?[\w-]+ [\w/.-]+)*", text))


@pytest.mark.parametrize("path", sorted(path for path in FILES.iterdir() if path.suffix in (".yaml", ".md")))
def test_the_commands_are_ones_that_the_program_takes(path: Path) -> None:
    examples = [*commands(path.read_text(encoding="utf-8"))]
    assert examples
    for command in examples:
        check(command)


def test_ray_takes_the_file_for_a_cloud() -> None:
    pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
    from ray.autoscaler._private.util import prepare_config, validate_config

    cluster = yaml.safe_load((FILES / "cloud.yaml").read_text(encoding="utf-8"))
    validate_config(prepare_config(cluster))
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config(prepare_config({**cluster, "idle_timeout": 5}))
    worker = cluster["available_node_types"]["worker"]
    assert worker["min_workers"] == worker["max_workers"] == cluster["max_workers"], "no machine joins later"


def test_the_job_of_kubernetes_gives_all_pods_the_same() -> None:
    claim, job = yaml.safe_load_all((FILES / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    pods: list[Any] = [group["template"]["spec"] for group in (cluster["headGroupSpec"], workers)]
    for part in ("volumes", "securityContext"):
        assert pods[0][part] == pods[1][part]
    (head,), (worker,) = (pod["containers"] for pod in pods)
    assert all(head[part] == worker[part] for part in ("image", "env", "volumeMounts"))
    assert pods[0]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"], "no pod joins later"


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_the_batch_file_is_one_of_bash() -> None:
    done = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_batch_file_gives_ray_the_cores_that_it_counts_on() -> None:
    """From version 22.05 on, ``srun`` takes no ``--cpus-per-task`` over from the batch file (SLURM's own notes)."""
    command = SLURM.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()[-1]
    assert command.startswith("srun ")
    assert '--cpus-per-task="$SLURM_CPUS_PER_TASK"' in command.split("ray symmetric-run")[0]


@pytest.mark.acceptance
@in_a_network_of_its_own
def test_the_batch_file_runs_a_recipe(call: Call, recipe: Path, tmp_path: Path) -> None:
    """The commands of SLURM are put in the place of here; the allocation has one machine."""
    options = [str(recipe), "--set", "tasks=[animals]", "--json"]
    code, expected, _ = call("run", *options, "--workspace", str(tmp_path / "alone"))
    assert code == 0
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, program in TOOLS.items():
        (tools / name).write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}"
    (tools / "activate").write_text(f'export PATH="{path}:$PATH"\n', encoding="utf-8")
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "here", "SLURM_CPUS_PER_TASK": "1"}
    done = alone(["bash", str(SLURM), *options], tmp_path, APART, SHARED=str(tmp_path), **slurm)
    assert done.returncode == 0, done.stdout + done.stderr
    batch, plain = json.loads(done.stdout[done.stdout.index("\n{") : done.stdout.rindex("}") + 1]), json.loads(expected)
    for report in (batch, plain):
        del report["provenance"]
        for strategy in report["strategies"].values():
            del strategy["cost"]
    assert batch == plain
