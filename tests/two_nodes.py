"""Programs of Ray's on nodes on this machine, in a network that has nothing but loopback."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]

BEGIN = """
import os, pathlib, sys
from ray.cluster_utils import Cluster

cluster = Cluster()

def add_node(cores=1):
    for further in reversed(range(5)):  # Ray gives up after 30 s, which is little on a machine that is busy
        try:
            return cluster.add_node(num_cpus=cores, object_store_memory=100_000_000, include_dashboard=False)
        except Exception:
            if not further:
                raise

head = add_node(int(os.environ["HEAD_CORES"]))
"""

# `ray stop` ends every Ray that it sees, and all of them have the same folder for temporary files
APART = [*ALONE[:2], "--pid", "--fork", "--kill-child", "--mount-proc", *ALONE[2:]]
APART[-2] = APART[-2].replace("exec", "mkdir -p /tmp/ray && mount -t tmpfs none /tmp/ray && exec")


def can_be_alone() -> bool:
    """Return whether a process may have a network of its own here."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*APART, "true"], capture_output=True, check=False).returncode == 0


in_a_network_of_its_own = pytest.mark.skipif(not can_be_alone(), reason="no process may have a network of its own here")


def alone(command: list[str], folder: Path, how: list[str] = ALONE, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a network of its own, with a home of its own and a token for Ray."""
    (folder / "home").mkdir(exist_ok=True)
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    surroundings = environment(PYTHONPATH=str(ROOT), HOME=str(folder / "home"), OMP_NUM_THREADS="1", **own)
    surroundings.update(more)
    return subprocess.run(
        [*how, *command], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def on_two_nodes(program: str, folder: Path, *arguments: str, cores: int = 1) -> subprocess.CompletedProcess[str]:
    """Run a program that knows a cluster as ``cluster``: of one node with so many cores, until it adds others."""
    (folder / "program.py").write_text(BEGIN + program, encoding="utf-8")
    return alone([sys.executable, "-P", str(folder / "program.py"), *arguments], folder, HEAD_CORES=str(cores))
