"""Processes of Ray do what the run would have done; whoever dies takes nothing along, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from adapter_workbench.experiments.engine import workers as engine_workers
from adapter_workbench.experiments.engine.workers import workers
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.errors import InputError, TrainingError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.machine import extras
from tests.conftest import Call, environment
from tests.ear import Ear
from tests.hostile_folder import hostile_folder
from tests.messages import naming
from tests.patience import PATIENCE
from tests.toy_pieces import ToyPiece, log, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.workers.cluster import MachineReport

pytest.importorskip("ray", reason="the package ray is not installed")

ROOT = Path(__file__).parents[2]
ONE = ToyPiece("one", updates=20)
TWO = ToyPiece("two", (ONE.key,), updates=20)
THREE = ToyPiece("three", (TWO.key,), updates=20)
DYING = ToyPiece("die once")
AFTER = ToyPiece("after that", (DYING.key,))
FAILING = ToyPiece("fail always")
NEVER = ToyPiece("never", (FAILING.key,))
DEADLY = ToyPiece("always-die")
NOR = ToyPiece("nor this", (DEADLY.key,))
PIECES = [ONE, TWO, THREE, DYING, AFTER, FAILING, NEVER, DEADLY, NOR]


@dataclass
class Done:
    """What became of the toys."""

    workspace: Workspace
    ear: Ear = field(default_factory=Ear)
    error: Exception | None = None
    pieces: list[Piece] = field(default_factory=list)
    begun_meanwhile: bool = False

    def hear(self, piece: Piece) -> None:
        """Take note of a piece; log the first one for as long as the second has not begun."""
        self.pieces.append(piece)
        deadline = time.monotonic() + PATIENCE
        while piece.label == ONE.label and not self.begun_meanwhile and time.monotonic() < deadline:
            self.begun_meanwhile = TWO.label in log(self.workspace)
            time.sleep(0.05)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    from adapter_workbench.experiments.engine.workers.local_ray import local_ray
    from adapter_workbench.experiments.engine.workers.ray import RayWorkers

    done = Done(Workspace(tmp_path_factory.mktemp("toys")))
    before = signal.getsignal(signal.SIGTERM)
    try:
        RayWorkers(lambda root: local_ray(2), nothing).do(PIECES, done.workspace, done.ear, done.hear)
    except Exception as error:
        done.error = error
    assert signal.getsignal(signal.SIGTERM) == before, "a run that is told to end ends as before"
    return done


def test_whatever_can_be_done_is_done_once_and_told(done: Done) -> None:
    whole = {"one", "two", "three", "die once", "after that"}
    assert {piece.label for piece in PIECES if piece.is_done(done.workspace)} == whole
    assert sorted(piece.label for piece in done.pieces) == sorted(whole)
    begun = Counter(log(done.workspace))
    assert begun == {**dict.fromkeys(whole, 1), "die once": 2, "always-die": 3, "fail always": 1}


def test_what_goes_on_from_a_piece_is_done_by_the_process_that_has_its_model(done: Done) -> None:
    contents = [piece.file(done.workspace).read_text().split() for piece in (ONE, TWO, THREE)]
    assert len({process for process, _ in contents}) == 1
    assert [last for _, last in contents[1:]] == [ONE.key, TWO.key]


def test_a_process_has_its_next_piece_while_the_last_one_is_logged(done: Done) -> None:
    assert done.begun_meanwhile


def test_a_piece_that_fails_ends_the_run_with_its_label_after_the_rest(done: Done) -> None:
    assert isinstance(done.error, TrainingError)
    assert done.error.what == "fail always: the loss is not a number"
    assert (done.error.where, done.error.hint) == ("step 7", "Take a lower rate.")
    assert sum("fail always" in line for line in done.ear.said) == 1
    assert not any("never" in line for line in done.ear.said)


def test_a_process_that_dies_is_replaced_a_few_times(done: Done) -> None:
    again = "die once: the process that did it died. It is done again."
    assert done.ear.said.count(again) == 1
    (last,) = (line for line in done.ear.said if "3 processes" in line)
    assert last.startswith("always-die: 3 processes that did it died")


def test_fits_are_heard_to_their_end(done: Done) -> None:
    whole = ["after that", "die once", "one", "three", "two"]
    assert sorted(label for label in done.ear.ended if "broke" not in label) == whole
    broken = Counter(label for label in done.ear.ended if "broke" in label)
    assert broken["fail always broke off"] == 1
    assert broken <= Counter({"fail always broke off": 1, "die once broke off": 1, "always-die broke off": 3})


def test_the_listener_hears_where_the_pieces_stand(done: Done) -> None:
    first, *_, last = done.ear.progress
    assert (first.done.pieces, first.running, first.pieces) == (0, 2, len(PIECES))
    last_ones = last.done.pieces, last.running, last.waiting, last.machines
    assert last_ones == (5, 0, 0, []), "four failed, or need what failed"


def test_nothing_of_ray_is_left(done: Done) -> None:
    assert not [child for child in psutil.Process().children(recursive=True) if "ray" in " ".join(child.cmdline())]
    assert not list((done.workspace.root / "toys").glob(".*"))


PROGRAM = """
import pathlib, signal
from adapter_workbench.experiments.engine.workers.local_ray import local_ray
from adapter_workbench.experiments.engine.workers.ray import RayWorkers
from adapter_workbench.experiments.workspace import Workspace
from tests.ear import Printer
from tests.toy_pieces import ToyPiece, nothing
from adapter_workbench.workbench.machine import processes

quick = ToyPiece("quick")
pieces = [quick, ToyPiece("stay", (quick.key,))]
workspace = Workspace(pathlib.Path("ws").absolute())
signal.signal(signal.SIGTERM, signal.SIG_DFL)  # while a run is recorded, coverage.py has a handler
with processes.stoppable():
    RayWorkers(lambda root: local_ray(2), nothing).do(pieces, workspace, Printer(), lambda piece: None)
"""


@pytest.mark.acceptance
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_ends_takes_its_processes_along(number: int, tmp_path: Path) -> None:
    folder, canary = hostile_folder(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "ws").mkdir()
    command = [sys.executable, "-P", str(tmp_path / "program.py")]
    surroundings = environment(PYTHONPATH=str(ROOT), HOME=str(tmp_path))
    run = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings
    )
    assert run.stdout is not None
    assert run.stderr is not None
    line = run.stdout.readline()
    assert line.startswith("here"), run.stderr.read()
    assert line.split(maxsplit=2)[2].strip() == str(folder), "relative paths mean the same"
    workspace = Workspace(folder / "ws")
    with workspace.claim("key-of-stay", wait=False) as mine:
        assert not mine, "whoever does a piece claims it"
    everybody = psutil.Process(run.pid).children(recursive=True)
    if number == signal.SIGKILL:  # two of Ray's own, which compute nothing, stay for a minute
        everybody = [
            process for process in everybody if process.name() == "raylet" or process.pid == int(line.split()[1])
        ]
    assert len(everybody) > 1
    run.send_signal(number)
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number), err
    _, alive = psutil.wait_procs(everybody, PATIENCE)
    assert not alive
    if number == signal.SIGKILL:
        workspace.sweep()  # as the next run does
    assert not list((folder / "ws" / "steps").iterdir())
    assert (folder / "ws" / "toys" / "quick").is_file(), "what was finished is kept"
    assert (out, err) == ("", "")
    assert not canary.exists(), "modules in the current folder were run"
    assert not (tmp_path / ".ray").exists(), "nothing is written into the home folder"


@pytest.mark.acceptance  # what is done side by side is tested above; this is the whole way, from two commands
def test_commands_take_jobs_and_give_the_same_report(call: Call, recipe: Path, tmp_path: Path) -> None:
    options = [str(recipe), "--set", "tasks=[animals, halves]", "--json"]
    code, alone, _ = call("run", *options, "--workspace", str(tmp_path / "alone"))
    assert code == 0
    code, together, err = call("run", *options, "--workspace", str(tmp_path / "together"), "--jobs", "2")
    assert (code, "Traceback" in err) == (0, False), err
    heard = [line for line in err.splitlines() if "may take the cores" not in line]  # on a machine that is busy
    assert "ray" not in "\n".join(heard).lower()
    assert err.count(": done, last loss") == 4, "every fit is heard of"
    report, expected = json.loads(together), json.loads(alone)
    assert report.pop("provenance")["command"].endswith("--jobs 2")
    expected.pop("provenance")
    for document in (report, expected):
        for strategy in document["strategies"].values():
            del strategy["cost"]
    assert report == expected
    adapters = readable(Workspace(tmp_path / "together").adapters)
    assert [manifest.made_by for manifest in adapters] == ["run stream"] * 2, "each process knows for whom it works"


class Remote:
    """What Ray makes of a function, in little: called when the answer is asked for."""

    def __init__(self, function: Callable[..., MachineReport]) -> None:
        self.function = function

    def options(self, **_: object) -> Remote:
        return self

    def remote(self, *given: object) -> Callable[[], MachineReport]:
        return partial(self.function, *given)


def test_runs_that_join_a_cluster_together_see_a_file_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run looks at the machines after the first one wrote its file, and before they answer it."""
    import ray

    from adapter_workbench.experiments.engine.workers import cluster

    slots, looked, names = [WorkerSlot(1, {}, "machine")], [], []

    def get(asked: Sequence[Callable[[], MachineReport]]) -> list[MachineReport]:
        names.append([path.name for path in tmp_path.iterdir()])
        if len(names) == 1:
            looked.append(cluster._with_visibility(slots, tmp_path))
        return [ask() for ask in asked]

    context: Any = type("Context", (), {"get_node_id": lambda self: "ab" * 28})
    monkeypatch.setattr(ray, "get_runtime_context", context)
    monkeypatch.setattr(ray, "remote", Remote)
    monkeypatch.setattr(ray, "get", get)
    looked.append(cluster._with_visibility(slots, tmp_path))
    assert looked == [slots, slots], "both machines see the workspace"
    assert all(atomic.UNFINISHED.fullmatch(name) for at_once in names for name in at_once), "a sweep finds them later"
    assert not [*tmp_path.iterdir()]


def test_a_cluster_without_a_machine_that_computes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from adapter_workbench.experiments.engine.workers import cluster

    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "head", "Alive": True, "Resources": {"memory": 1e9}}])
    with pytest.raises(InputError, match=naming("no machine of this cluster has processors to lend", "ray start")):
        cluster._slots(1, tmp_path)


@pytest.mark.parametrize("package", ["ray", "greenlet"])
def test_without_ray_jobs_say_what_to_install(
    package: str, call: Call, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = extras.installed_version
    monkeypatch.setattr(extras, "installed_version", lambda name: None if name == package else installed(name))
    code, out, err = call("run", str(recipe), "--jobs", "2")
    assert (code, out) == (2, "")
    assert f"the package {package} is not installed, and --jobs needs it" in err
    assert "pip install 'adapter-workbench[cluster]'" in err
    with pytest.raises(InputError, match=f"{package} is not installed"):
        workers(2)
    assert workers(1)


def test_a_ray_that_this_process_uses_for_something_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be that of a cluster, whose machines do not see the workspace, or have fewer cores than processes."""
    import ray

    from adapter_workbench.experiments.engine.workers.local_ray import local_ray

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with pytest.raises(InputError, match=naming("this process uses Ray already", "ray.shutdown()")), local_ray(2):
        pytest.fail("it is used")


@pytest.mark.parametrize("jobs", [0, -1])
def test_fewer_than_one_process_is_refused(jobs: int) -> None:
    for cluster in (None, "auto"):
        with pytest.raises(InputError, match=naming(f"{jobs} processes cannot work", "1 or more")):
            workers(jobs, cluster)


def test_processes_that_share_each_fit_have_no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_workers.processes, "count", lambda: 2)
    with pytest.raises(InputError, match="share each fit already"):
        workers(2)


def test_one_job_brings_nothing_of_ray() -> None:
    program = (
        "import sys\n"
        "from adapter_workbench.experiments.engine.workers import workers\n"
        "workers(1)\n"
        "sys.exit('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0


@pytest.mark.acceptance
def test_whoever_has_no_token_is_refused() -> None:
    """Ray's ports are open to whoever reaches the machine."""
    import ray

    from adapter_workbench.experiments.engine.workers import local_ray

    def ask(address: str, **more: str) -> subprocess.CompletedProcess[str]:
        program = f"from ray._raylet import GcsClient; print(GcsClient(address={address!r}).internal_kv_keys(b'', b''))"
        own = {name: value for name, value in os.environ.items() if not name.startswith("RAY")}
        return subprocess.run([sys.executable, "-c", program], env={**own, **more}, capture_output=True, text=True)

    with local_ray.local_ray(1):
        address = ray.get_runtime_context().gcs_address
        for given in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
            refused = ask(address, **given)
            assert refused.returncode == 1
            assert "Authentication token is missing or incorrect" in refused.stderr
        assert ask(address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=local_ray.TOKEN).returncode == 0
