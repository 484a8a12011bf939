"""A run on machines with disks of their own: nothing that the first one writes is to be seen on the others.

They are nodes of a cluster on this one, in a network that has nothing but loopback. One is started in a mount namespace
in which an empty file system lies over the folder that holds the workspace, the tasks and the backbone; its home, its
cache and its temporary files are in that.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.workspace import Workspace
from tests.conftest import Call
from tests.messages import lacks
from tests.toy_pieces import log
from tests.two_nodes import ALONE, on_two_nodes

pytest.importorskip("ray", reason="the package ray is not installed")

MOUNTED = [*ALONE, "unshare", "--mount", "mount", "-t", "tmpfs", "own", "/mnt"]

BLIND = """
import pathlib, subprocess, time
from tests.patience import PATIENCE

def add_blind_node(hidden, cores, size="100m"):
    place = f"{hidden}/elsewhere"
    own = {"HOME": place, "TMPDIR": f"{place}/tmp", "WORKBENCH_CACHE": f"{place}/cache"}
    begin = f"ray start --address {cluster.address} --num-cpus {cores} --object-store-memory 100000000 --block"
    shell = f"mount -t tmpfs -o size={size} own {hidden} && mkdir -p {place}/tmp && cd {place} && exec {begin}"
    command = ["unshare", "--mount", "sh", "-c", shell]
    node = subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    while len(cluster.global_state._live_node_ids()) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    return node, pathlib.Path(f"/proc/{node.pid}/root{place}")
"""

LISTEN = """
from adapter_workbench.experiments.engine.workers.cluster import join_cluster
from adapter_workbench.experiments.engine.workers.ray import RayWorkers
from adapter_workbench.experiments.workspace import Workspace
from tests.ear import Printer
from tests.toy_pieces import ToyPiece, nothing

workspace = Workspace(pathlib.Path("ws").absolute())
"""

TOYS = """
node, place = add_blind_node(sys.argv[1], 1)
first = [ToyPiece(f"first {number}") for number in range(4)]
pieces = [*first, *(ToyPiece(f"after {one.label}", (one.key,)) for one in first)]
RayWorkers(lambda root: join_cluster(cluster.address, 1, root), nothing).do(
    pieces, workspace, Printer(), lambda piece: print("done", piece.label, piece.is_done(workspace), flush=True)
)
print("left", [path.name for path in (place / "tmp").iterdir() if "workbench" in path.name])
node.terminate()
"""

FULL = """
node, place = add_blind_node(sys.argv[1], 1, "8m")
pieces = [ToyPiece(f"fill {number}") for number in range(3)]
RayWorkers(lambda root: join_cluster(cluster.address, 1, root), nothing).do(
    pieces, workspace, Printer(), lambda piece: None
)
node.terminate()
"""

UNFIT = """
node, place = add_blind_node(sys.argv[1], 1)

def ready(threads):
    if "elsewhere" in os.environ.get("TMPDIR", ""):
        raise OSError(28, "No space left on device")

pieces = [ToyPiece(f"toy {number}") for number in range(3)]
RayWorkers(lambda root: join_cluster(cluster.address, 1, root), ready).do(
    pieces, workspace, Printer(), lambda piece: None
)
node.terminate()
"""

COMMAND = """
from adapter_workbench.experiments.cli import main

node, place = add_blind_node(sys.argv[1], 2)
sys.argv = ["workbench", *sys.argv[2:], "--cluster", cluster.address]
try:
    main()
finally:
    print("left", [path.name for path in (place / "tmp").iterdir() if "workbench" in path.name], file=sys.stderr)
    print("cache", sorted(path.name for path in (place / "cache").iterdir()), file=sys.stderr)
    node.terminate()
"""


def has_disks_of_its_own() -> bool:
    """Return whether a process may have a network and file systems of its own here."""
    if not (shutil.which("unshare") and shutil.which("ip") and Path("/mnt").is_dir()):
        return False
    return subprocess.run(MOUNTED, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not has_disks_of_its_own(), reason="no process may have a network and mounts of its own here"),
]


@pytest.fixture
def hidden(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder below which everything is that tests write, the backbone too."""
    return str(tmp_path_factory.getbasetemp())


def test_both_machines_leave_what_they_did_where_the_run_is(tmp_path: Path, hidden: str) -> None:
    done = on_two_nodes(BLIND + LISTEN + TOYS, tmp_path, hidden)
    assert done.returncode == 0, done.stderr
    labels = [f"{word}first {number}" for word in ("", "after ") for number in range(4)]
    lines = done.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("done")) == sorted(f"done {label} True" for label in labels)
    workspace = Workspace(tmp_path / "ws")
    assert {path.name for path in (workspace.root / "toys").iterdir()} == {*labels}
    here = Counter(log(workspace))
    assert 0 < sum(here.values()) < len(labels), "the log of the other machine's pieces is on its own disk"
    assert "left []" in lines, "the folder of the process is deleted"
    assert not [path.name for path in workspace.root.iterdir() if path.name.startswith(".")]


def test_what_finds_no_room_on_one_machine_is_done_on_another(tmp_path: Path, hidden: str) -> None:
    done = on_two_nodes(BLIND + LISTEN + FULL, tmp_path, hidden)
    assert done.returncode == 0, done.stderr
    messages = [line for line in done.stdout.splitlines() if "is full; one process less works there" in line]
    assert len(messages) == 1
    assert {path.name for path in (tmp_path / "ws" / "toys").iterdir()} == {f"fill {number}" for number in range(3)}


def test_where_no_process_can_start_no_piece_fails(tmp_path: Path, hidden: str) -> None:
    done = on_two_nodes(BLIND + LISTEN + UNFIT, tmp_path, hidden)
    assert done.returncode == 0, done.stderr
    assert lacks(done.stdout, "could not start on 127.0.0.1: ", "[Errno 28]") == []
    assert {path.name for path in (tmp_path / "ws" / "toys").iterdir()} == {f"toy {number}" for number in range(3)}


def test_a_machine_that_sees_nothing_gives_the_report_of_one_that_does(
    call: Call, recipe: Path, tmp_path: Path, hidden: str
) -> None:
    """All pieces are done there, by two processes; what was learned before is brought."""
    recipe.write_text(recipe.read_text().replace("[animals, halves, fruits]", "[animals, halves]"))
    code, alone, _ = call("run", str(recipe), "--json", "--workspace", str(tmp_path / "alone"))
    assert code == 0
    together = ["--workspace", str(tmp_path / "together")]
    code, _, _ = call("run", str(recipe), "--set", "tasks=[animals]", "--set", "name=first", *together)
    assert code == 0
    command = "run", str(recipe), "--json", "--jobs", "2", *together
    done = on_two_nodes(BLIND + COMMAND, tmp_path, hidden, *command, cores=0)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["provenance"]["machines"] == "127.0.0.1 (2 processes, own disk)"
    assert _without_circumstances(done.stdout) == _without_circumstances(alone)
    lines = done.stderr.splitlines()
    assert sum(": done, last loss" in line for line in lines) == 2, "the first stages are learned already"
    assert "left []" in lines
    assert "cache ['brought']" in lines or "cache ['brought', 'fingerprints']" in lines


def _without_circumstances(report: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report)
    del document["provenance"]
    for strategy in document["strategies"].values():
        del strategy["cost"]
    return document
