"""Twelve kills, of a worker, a machine or the run itself in turn, lose nothing and change nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.workers.inline import Inline
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.listener import Silent
from tests.toy_pieces import chains
from tests.two_nodes import in_a_network_of_its_own, on_two_nodes

pytest.importorskip("ray", reason="the package ray is not installed")

KILLS, AT_ONCE = 12, 2  # pieces that two machines of one core do at once
PLAN = (12, 8, 0.3)  # chains, pieces in each, seconds of a piece: more than are done between twelve kills

RUN = """
import pathlib, sys
from adapter_workbench.experiments.engine.workers.cluster import join_cluster
from adapter_workbench.experiments.engine.workers.ray import RayWorkers
from adapter_workbench.experiments.workspace import Workspace
from tests.toy_pieces import chains, nothing
from adapter_workbench.workbench.machine.listener import Silent

RayWorkers(lambda root: join_cluster(sys.argv[1], 1, root), nothing).do(
    chains(*PLAN), Workspace(pathlib.Path("ws").absolute()), Silent(), lambda piece: None
)
"""

KILLER = """
import random, signal, subprocess, time
import psutil

root, generator, program = pathlib.Path("ws"), random.Random(0), pathlib.Path("run.py").absolute()
root.mkdir()
(root / "finished").touch()
second = add_node()

def begin():
    return subprocess.Popen([sys.executable, "-P", str(program), cluster.address])

def raylet(node):
    return node.all_processes["raylet"][0].process.pid

def kill_worker():
    hands = [child for node in (head, second) for child in psutil.Process(raylet(node)).children()]
    begun = {int(line.split()[1]) for line in (root / "begun").read_text().splitlines()}
    at_work = [child for child in hands if child.pid in begun]
    if at_work:
        generator.choice(at_work).kill()
    return bool(at_work)

def kill_node():
    global second
    cluster.remove_node(second, allow_graceful=False)
    second = add_node()
    return True

def kill_run():
    global run
    if run.poll() is not None:
        return False
    run.kill()
    run.wait()
    run = begin()
    return True

def finished():
    return len((root / "finished").read_text().splitlines())

run, kills, ways = begin(), 0, [kill_worker, kill_node, kill_run]
while kills < KILLS:
    until = finished() + generator.randint(1, 4)
    while finished() < until and run.poll() is None:
        time.sleep(0.02)
    if run.poll() is not None:
        sys.exit(f"the run ended with {run.returncode} after {kills} kills")
    time.sleep(generator.uniform(0, 0.3))
    if ways[kills % 3]():
        kills += 1
        print("kill", kills, flush=True)
sys.exit(run.wait())
"""


@pytest.mark.acceptance
@in_a_network_of_its_own
def test_twelve_kills_lose_nothing_and_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN.replace("PLAN", str(PLAN)), encoding="utf-8")
    done = on_two_nodes(KILLER.replace("KILLS", str(KILLS)), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"kill {KILLS}\n" in done.stdout

    undisturbed = Workspace(tmp_path / "undisturbed")
    undisturbed.root.mkdir()
    links = chains(*PLAN[:2], 0.0)
    Inline().do(links, undisturbed, Silent(), lambda piece: None)
    contents = {path.name: path.read_text() for path in (tmp_path / "ws" / "pieces").iterdir()}
    assert contents == {path.name: path.read_text() for path in (undisturbed.root / "pieces").iterdir()}

    begun, finished = labels(tmp_path / "ws" / "begun"), labels(tmp_path / "ws" / "finished")
    assert set(begun) == {link.label for link in links}
    assert max(finished.values()) == 1, "nothing that was finished was done again"
    assert len(links) < sum(begun.values()) <= len(links) + KILLS * AT_ONCE, "only what was being done was begun again"


def labels(path: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in path.read_text(encoding="utf-8").splitlines())
