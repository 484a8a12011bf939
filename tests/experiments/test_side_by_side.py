"""Helpers do what the run would have done, to the same numbers; when one dies, or its run, nothing is left behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch

from experiments.api import Workbench
from experiments.engine.run import help_along
from experiments.engine.side_by_side import helped
from experiments.studies.stream.plan import Plan, make_plan
from experiments.workspace import Workspace
from tests.conftest import environment
from tests.experiments.test_comparing import RECIPE as METHODS
from tests.experiments.test_composing import RECIPE as COMPOSITIONS
from tests.experiments.test_run import ROOT, do, scores
from tests.hostile_folder import hostile_folder
from tests.runs import pending, pieces, stream_run
from tests.streams import write_recipe
from workbench.errors import InputError
from workbench.listener import Listener, Silent
from workbench.settings import read

SMALL = ["budget.epochs=2", "seeds=[0]", "tasks=[animals, halves]"]
PATIENCE = 120  # seconds


class Ear(Silent):
    """Keeps the labels of the fits that began and ended, and the steps they came to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.steps: dict[str, int] = {}

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        self.begun.append(label)
        yield lambda step, epoch, loss: self.steps.update({label: step})
        self.ended.append(label)


@pytest.fixture
def plan(bert: Path, tmp_path: Path) -> Plan:
    return make_plan(read(write_recipe(tmp_path, bert)).set(SMALL), [tmp_path / "tasks"])


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_helper_in_a_process_of_its_own_does_the_work_and_is_heard(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, canary = hostile_folder(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])  # else its own path begins here too
    workspace, ear, threads = Workspace(tmp_path / "ws"), Ear(), torch.get_num_threads()
    with helped(partial(help_along, pieces(plan)), workspace, ear, jobs=2):
        until(lambda: len(ear.ended) == len(plan.steps))
        until(lambda: not multiprocessing.active_children())
    labels = [piece.label for piece in pieces(plan)]
    assert ear.begun == ear.ended
    assert sorted(ear.begun) == sorted(set(ear.steps)) == sorted(labels), "each of them once"
    assert [label for label in ear.begun if label.startswith("sequential")] == labels[2:], "in the order of its stages"
    assert torch.get_num_threads() == threads
    assert not canary.exists(), "modules in the current folder were run"
    again = Ear()
    record = stream_run(plan, workspace.root, again)
    assert again.begun == [], "nothing was left to do"
    assert scores(record) == scores(do(plan, tmp_path / "alone"))


def test_a_helper_takes_nothing_that_somebody_else_is_at(plan: Plan, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    first, *others = pieces(plan)
    ended = threading.Event()

    def help_and_end() -> None:
        help_along([first, *others], workspace, Silent())
        ended.set()

    helper = threading.Thread(target=help_and_end, daemon=True)
    with workspace.claimed(first.key) as mine, workspace.claimed(first.key, wait=False) as anybody:
        assert (mine, anybody) == (True, False)
        helper.start()
        free = [piece for piece in others if first.key not in piece.needs]
        until(lambda: all(piece.is_done(workspace) for piece in free))
        assert not first.is_done(workspace)
        assert not ended.is_set(), "it waits for what needs the piece"
    helper.join(PATIENCE)
    assert pending(plan, workspace) == []


def test_a_helper_that_is_killed_costs_nothing_but_its_help(plan: Plan, tmp_path: Path) -> None:
    workspace, ear = Workspace(tmp_path / "ws"), Ear()
    with helped(partial(help_along, pieces(plan)), workspace, ear, jobs=2):
        until(lambda: bool(ear.steps))
        (helper,) = multiprocessing.active_children()
        os.kill(helper.pid or 0, signal.SIGKILL)
        record = stream_run(plan, workspace.root)
    assert ear.begun == ear.ended, "what was shown of its fit is taken away"
    assert scores(record) == scores(do(plan, tmp_path / "alone"))


def test_helpers_end_with_the_process_that_they_help(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, pathlib, time
from experiments.engine.side_by_side import helped
from experiments.workspace import Workspace
from workbench.listener import Silent

def stay(workspace, listener):
    listener.say("here")
    time.sleep(600)

class Ear(Silent):
    def say(self, message):
        print(message, *(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    with helped(stay, Workspace(pathlib.Path("ws").absolute()), Ear(), jobs=3):
        time.sleep(600)
""",
        encoding="utf-8",
    )
    command = [sys.executable, str(program)]
    surroundings = environment(PYTHONPATH=str(ROOT))
    helped_one = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=surroundings)
    assert helped_one.stdout is not None
    said, *helpers = helped_one.stdout.readline().split()
    assert said == "here"
    assert helped_one.stdout.readline().startswith("here"), "both are there"
    helped_one.kill()
    helped_one.wait()
    until(lambda: not any(Path(f"/proc/{helper}/cmdline").exists() for helper in helpers))
    assert len(helpers) == 2


def test_commands_take_jobs_and_give_the_same_report(call, recipe: Path, tmp_path: Path) -> None:
    options = [str(recipe), "--set", "budget.epochs=1", "--set", "tasks=[animals, halves]", "--json"]
    code, alone, _ = call("run", *options, "--workspace", str(tmp_path / "alone"))
    assert code == 0
    code, together, err = call("run", *options, "--workspace", str(tmp_path / "together"), "--jobs", "2")
    assert (code, "Traceback" in err) == (0, False)
    found, expected = json.loads(together), json.loads(alone)
    for label, strategy in expected["strategies"].items():
        assert found["strategies"][label]["matrix"] == strategy["matrix"]
    assert found["provenance"]["command"].endswith("--jobs 2")
    assert call("run", *options, "--jobs", "0")[0] == 2


def no_room(workspace: Workspace, listener: Listener) -> None:
    """Fail as a helper does whose model does not fit beside that of the run."""
    raise MemoryError("no room for a second model")


def test_a_helper_that_fails_says_why_and_the_run_goes_on(plan: Plan, tmp_path: Path) -> None:
    said: list[str] = []

    class Hearing(Silent):
        def say(self, message: str) -> None:
            said.append(message)

    with helped(no_room, Workspace(tmp_path / "ws"), Hearing(), jobs=2):
        until(lambda: bool(said))
    assert said == ["A helper stopped, and the run goes on without it. MemoryError: no room for a second model"]


def chatter(workspace: Workspace, listener: Listener) -> None:
    """Say more than a pipe holds, and write down when it is all said."""
    for number in range(2000):
        listener.say(f"{number:>200}")
    (workspace.root / "said").touch()


def test_a_listener_that_fails_stops_no_helper_and_is_told_at_the_end(tmp_path: Path) -> None:
    heard: list[str] = []

    class Failing(Silent):
        def say(self, message: str) -> None:
            heard.append(message)
            raise ValueError("no room on the screen")

    (tmp_path / "ws").mkdir()
    with (
        pytest.raises(ValueError, match="no room on the screen"),
        helped(chatter, Workspace(tmp_path / "ws"), Failing(), 2),
    ):
        until((tmp_path / "ws" / "said").is_file)
    assert len(heard) == 1


class Heavy:
    """Work whose description is larger than a pipe holds."""

    def __init__(self) -> None:
        self.rows = bytes(50_000_000)

    def __call__(self, workspace: Workspace, listener: Listener) -> None:
        listener.say("here")


def kill_helpers(killed: list[int]) -> None:
    """Kill the first helper as soon as it is a process."""
    while not killed:
        for file in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for child in map(int, file.read_text().split()):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
                    killed.append(child)


def test_a_helper_that_is_killed_at_its_start_holds_nobody_up(tmp_path: Path) -> None:
    killed: list[int] = []
    killer = threading.Thread(target=kill_helpers, args=(killed,), daemon=True)
    killer.start()
    began = time.monotonic()
    with helped(Heavy(), Workspace(tmp_path / "ws"), Silent(), jobs=2):
        killer.join(PATIENCE)
    assert killed, "the case is not what it should be"
    assert time.monotonic() - began < PATIENCE


def test_processes_that_share_each_fit_have_no_helpers(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match="share each fit already"),
        helped(partial(help_along, pieces(plan)), Workspace(tmp_path), Silent(), jobs=2),
    ):
        pass


def test_helpers_of_comparisons_leave_nothing_to_the_run_but_its_record(bert: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, bert)
    (tmp_path / "methods.yaml").write_text(METHODS.format(backbone=bert), encoding="utf-8")
    (tmp_path / "fusion.yaml").write_text(COMPOSITIONS.format(backbone=bert), encoding="utf-8")
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    few = ["seeds=[0]", "tasks=[animals]", "methods={full: {}, lora: {}}", "tune=1", "budget.train_examples=16"]
    methods = bench.plan(str(tmp_path / "methods.yaml"), few)
    few = ["shots=[8]", "compositions={sum: {method: sum}}", "sources.methods={lora: {}}", "sources.budget.epochs=1"]
    fusion = bench.plan(str(tmp_path / "fusion.yaml"), few)
    for plan in (methods, fusion):
        help_along([piece for piece in pieces(plan) if not piece.alone], bench.workspace, Silent())
    assert bench.workspace.records.names() == [], "a helper keeps no record"
    bench.listener = ear = Ear()
    assert bench.run(methods).complete
    assert bench.run(fusion).complete
    assert ear.begun == [], "everything was there"
