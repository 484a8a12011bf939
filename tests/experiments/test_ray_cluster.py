"""A run on two machines, which are two nodes of Ray's on this one, in a network that has nothing but loopback."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from adapter_workbench.experiments.workspace import Workspace
from tests.conftest import Call
from tests.toy_pieces import log
from tests.two_nodes import in_a_network_of_its_own, on_two_nodes

pytest.importorskip("ray", reason="the package ray is not installed")

TOYS = """
from adapter_workbench.experiments.engine.workers.cluster import join_cluster
from adapter_workbench.experiments.engine.workers.ray import RayWorkers
from adapter_workbench.experiments.workspace import Workspace
from tests.ear import Printer
from tests.toy_pieces import ToyPiece, nothing

workspace = Workspace(pathlib.Path("ws").absolute())
workspace.root.mkdir()
(workspace.root / "head").write_text(str(head.all_processes["raylet"][0].process.pid))
add_node()
pieces = [ToyPiece("leave one", updates=9), ToyPiece("leave two", updates=9), ToyPiece("rest")]
RayWorkers(lambda root: join_cluster(cluster.address, 1, root), nothing).do(
    pieces, workspace, Printer(progress=True), lambda piece: print("done", piece.label, flush=True)
)
"""

COMMAND = """
from adapter_workbench.experiments.cli import main

add_node()
sys.argv = ["workbench", *sys.argv[1:], "--cluster", cluster.address]
main()
"""


pytestmark = in_a_network_of_its_own


@pytest.mark.acceptance
def test_a_machine_that_goes_takes_nothing_along(tmp_path: Path) -> None:
    done = on_two_nodes(TOYS, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("done")) == [
        "done leave one",
        "done leave two",
        "done rest",
    ]
    shown = [line for line in lines if line.startswith("progress")]
    assert (shown[0], shown[-1]) == ("progress 3 2/2", "progress 3 0/1"), "at one address, two and one"
    (gone,) = (line for line in lines if "has gone. It is done again." in line)
    assert gone.startswith("leave"), "the piece is named"
    begun = Counter(log(Workspace(tmp_path / "ws")))
    assert set(begun) == {"leave one", "leave two", "rest"}
    assert sum(begun.values()) <= 4, "one of three was begun again"
    assert not [path for path in (tmp_path / "ws").iterdir() if "cluster" in path.name]


@pytest.mark.acceptance
def test_two_machines_give_the_report_of_one(call: Call, recipe: Path, tmp_path: Path) -> None:
    options = [str(recipe), "--set", "tasks=[animals, halves]", "--json"]
    code, alone, _ = call("run", *options, "--workspace", str(tmp_path / "alone"))
    assert code == 0
    done = on_two_nodes(COMMAND, tmp_path, "run", *options, "--workspace", str(tmp_path / "together"))
    assert done.returncode == 0, done.stderr
    report, expected = json.loads(done.stdout), json.loads(alone)
    for document in (report, expected):
        del document["provenance"]
        for strategy in document["strategies"].values():
            del strategy["cost"]
    assert report == expected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no cluster answers at 127.0.0.1:1"),
        ("ray://head:10001", "with `--cluster auto`"),
        ("head", "'head' is not HOST:PORT"),
    ],
)
def test_no_cluster_is_one_message(address: str, message: str, call: Call, recipe: Path) -> None:
    code, out, err = call("run", str(recipe), "--cluster", address)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
