"""A run goes on without processes that die or cannot start, and spreads pieces over machines; no process is real."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray", reason="the package ray is not installed")

from ray.exceptions import ActorDiedError, RayActorError, RayError

from adapter_workbench.experiments.engine.workers import dispatcher as dispatcher_module
from adapter_workbench.experiments.engine.workers.dispatcher import Dispatcher
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressBatch
from adapter_workbench.experiments.engine.workers.schedule import Schedule
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot
from adapter_workbench.workbench.errors import WorkError
from tests.ear import Ear
from tests.messages import lacks, naming
from tests.toy_pieces import ToyPiece

Does = Callable[[WorkerSlot, str], Iterable[ProgressBatch | RayError]]
Starts = Callable[[WorkerSlot], "RayError | None"]

WORKS, DONE = ProgressBatch([("say", "working")]), ProgressBatch([], over=True)
TRACE = "The actor died because of an error raised in its creation task, ray::Actor\n  File a.py\nOSError: disk full"
NOT_STARTED = RayActorError(error_msg=TRACE, actor_init_failed=True)


@dataclass(frozen=True, eq=False)
class Start:
    """The start of a process: when it comes to that, ``error`` says whether it failed."""

    machine: str
    error: RayError | None


class FakeRay:
    """What a dispatcher needs of Ray: each stream is read in its turn; machines that are ``occupied`` start nothing."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.occupied: set[str] = set()
        self._turns = 0

    def wait(self, asked: list[Any], num_returns: int, **_: object) -> tuple[list[Any], list[Any]]:
        self._turns += 1
        silent = [start for start in asked if isinstance(start, Start) and start.machine in self.occupied]
        answers = [answer for answer in asked if answer not in silent]
        ready = answers if num_returns > 1 else answers and [answers[self._turns % len(answers)]]
        return ready, [answer for answer in asked if answer not in ready]

    def get(self, answer: ProgressBatch | RayError | Start) -> ProgressBatch | None:
        error = answer.error if isinstance(answer, Start) else answer
        if isinstance(error, RayError):
            raise error
        return error

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": name, "Alive": name not in self.gone} for name in ("head", *map(str, range(9)))]


class FakeActor:
    """A process: what it says of a piece is what ``does`` yields."""

    def __init__(self, slot: WorkerSlot, does: Does, begun: list[tuple[str, str]], error: RayError | None) -> None:
        self.slot, self._does, self._begun = slot, does, begun
        self.work = self
        self.is_ready = SimpleNamespace(remote=lambda: Start(slot.machine, error))

    def options(self, **_: object) -> FakeActor:
        return self

    def remote(self, key: str) -> Iterator[ProgressBatch | RayError]:
        self._begun.append((self.slot.machine, key))
        return iter(self._does(self.slot, key))


class Run:
    """A run with fakes: what it did."""

    def __init__(self, does: Does, starts: Starts = lambda slot: None) -> None:
        self.ear, self.begun, self.done, self.stopped = Ear(), list[tuple[str, str]](), list[str](), list[str]()
        self._does, self._starts = does, starts

    def do(self, schedule: Schedule, slots: Sequence[WorkerSlot]) -> None:
        dispatcher = Dispatcher(
            schedule,
            self.ear,
            lambda piece: self.done.append(piece.label),
            lambda slot: FakeActor(slot, self._does, self.begun, self._starts(slot)),
            lambda slot, actor: self.stopped.append(slot.machine),
        )
        dispatcher.run(slots)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setattr(dispatcher_module, "ray", fake)
    return fake


def toys(number: int) -> list[ToyPiece]:
    return [ToyPiece(str(index)) for index in range(number)]


def on(*machines: str) -> list[WorkerSlot]:
    return [WorkerSlot(1, {}, machine, f"address of {machine}") for machine in machines]


def works(slot: WorkerSlot, key: str) -> list[ProgressBatch | RayError]:
    return [WORKS, DONE]


def only_on_head(slot: WorkerSlot) -> RayError | None:
    return None if slot.machine == "head" else NOT_STARTED


@pytest.mark.usefixtures("ray")
def test_where_no_process_starts_no_piece_is_to_blame_and_others_do_it() -> None:
    run = Run(works, only_on_head)
    run.do(Schedule(toys(5)), on("1", "1", "head"))
    assert sorted(run.done) == ["0", "1", "2", "3", "4"]
    assert run.stopped == ["1"] * 4, "each of two is started twice"
    messages = [line for line in run.ear.said if line != "working"]
    assert [lacks(line, "could not start", "address of 1", "disk full") for line in messages] == [[]] * 4
    assert [sum(part in line for line in messages) for part in ("started again", "one process less")] == [2, 2]
    assert (run.ear.progress[-1].running, len(run.ear.progress[-1].machines)) == (0, 1)


@pytest.mark.usefixtures("ray")
def test_where_no_process_starts_at_all_the_run_says_why() -> None:
    with pytest.raises(WorkError, match=naming("on address of 1: OSError: disk full\n")):
        Run(works, only_on_head).do(Schedule(toys(2)), on("1", "1"))


@pytest.mark.usefixtures("ray")
def test_without_any_process_nothing_passes_for_done() -> None:
    with pytest.raises(WorkError, match="no process was there for 2 pieces"):
        Run(works).do(Schedule(toys(2)), [])


def test_machines_that_go_together_do_not_end_a_run_on_another(ray: FakeRay) -> None:
    ray.gone = {str(number) for number in range(7)}
    run = Run(lambda slot, key: [*[WORKS] * 9, DONE] if slot.machine == "head" else [ActorDiedError()])
    run.do(Schedule(toys(8)), on("head", *sorted(ray.gone)))
    assert len(run.done) == 8
    assert sum("has gone. It is done again." in line for line in run.ear.said) == 7


@pytest.mark.usefixtures("ray")
def test_processes_that_die_whatever_they_do_end_a_run() -> None:
    with pytest.raises(WorkError, match=r"every process .* dies"):
        Run(lambda slot, key: [ActorDiedError()]).do(Schedule(toys(9)), on("1", "2"))


def test_where_other_work_takes_the_cores_no_piece_waits(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "PATIENCE", 0.01)
    ray.occupied = {"1"}
    run = Run(works)
    run.do(Schedule(toys(5)), on("1", "2", "1"))
    assert sorted(run.done) == ["0", "1", "2", "3", "4"]
    assert {machine for machine, _ in run.begun} == {"2"}
    (message,) = [line for line in run.ear.said if line != "working"]
    assert lacks(message, "2 processes did not start yet", "address of 1", "Others work meanwhile") == []


def test_a_process_that_starts_late_gets_pieces_too(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "PATIENCE", 0.01)
    ray.occupied = {"1"}

    def works_and_makes_room(slot: WorkerSlot, key: str) -> Iterator[ProgressBatch | RayError]:
        ray.occupied = set()
        yield from [*[WORKS] * 9, DONE]

    run = Run(works_and_makes_room)
    run.do(Schedule(toys(5)), on("1", "2"))
    assert {machine for machine, _ in run.begun} == {"1", "2"}
    assert sorted(run.done) == ["0", "1", "2", "3", "4"]


@pytest.mark.usefixtures("ray")
def test_a_process_that_is_killed_while_it_starts_is_started_again() -> None:
    deaths = [ActorDiedError()] * 3
    run = Run(works, lambda slot: deaths.pop() if deaths else None)
    run.do(Schedule(toys(2)), on("1"))
    assert sorted(run.done) == ["0", "1"]
    with pytest.raises(WorkError, match=r"every process .* dies"):
        Run(works, lambda slot: ActorDiedError()).do(Schedule(toys(2)), on("1", "2"))


@pytest.mark.usefixtures("ray")
def test_few_chains_go_to_different_machines() -> None:
    run = Run(lambda slot, key: [DONE])
    run.do(Schedule(toys(2)), on("1", "1", "2", "2"))
    assert [machine for machine, _ in run.begun] == ["1", "2"]
    run = Run(lambda slot, key: [DONE] if key == "key-of-first" else [*[WORKS] * 9, DONE])
    first = ToyPiece("first", updates=9)
    after = [ToyPiece("second", (first.key,), updates=9), ToyPiece("third", (first.key,))]
    run.do(Schedule([first, *after]), on("1", "1", "2", "2"))
    assert run.begun == [("1", first.key), ("1", after[0].key), ("2", after[1].key)], "one goes on with its model"


@pytest.mark.usefixtures("ray")
def test_pieces_are_handed_out_where_something_changed_and_not_at_each_report() -> None:
    budgets = list[float]()

    class Counting(Schedule):
        def longest(self, memory: float = math.inf) -> Any:
            budgets.append(memory)
            return super().longest(memory)

    run = Run(lambda slot, key: [*[WORKS] * 1000, DONE])
    run.do(Counting([ToyPiece("0"), ToyPiece("1", ("key-of-0",))]), on("1", "2"))
    assert run.ear.said == ["working"] * 2000
    assert len(budgets) <= 6, "two processes, at the begin and whenever a piece ends"
