"""Hands pieces out to worker processes, listens to them, and replaces those that died."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayError

from adapter_workbench.experiments.engine.piece_progress import MachineLoad, PieceProgress, report_progress
from adapter_workbench.experiments.engine.work import Work, work_of
from adapter_workbench.experiments.engine.workers.failure import KEPT, Failure, last_line
from adapter_workbench.experiments.engine.workers.memory_budget import MemoryBudget
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressReplay
from adapter_workbench.experiments.engine.workers.schedule import Schedule
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot, hand_out_order
from adapter_workbench.workbench.errors import WorkError, reason

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.workbench.machine.listener import Listener

MOST_DEATHS = 3  # of processes that did the same piece
MOST_STARTS = 2  # times in a row that a process does not start in the same slot
PATIENCE = 20.0  # seconds in which processes may start before the first piece is handed out


class Dispatcher:
    """Has the pieces of one schedule done by workers."""

    def __init__(
        self,
        schedule: Schedule,
        listener: Listener,
        on_done: Callable[[Piece], None],
        start: Callable[[WorkerSlot], Any],
        stop: Callable[[WorkerSlot, Any], None],
    ) -> None:
        """Dispatch the pieces of ``schedule``.

        Args:
            schedule: the pieces that have to be done.
            listener: hears how it goes.
            on_done: is called with each piece that is done.
            start: starts a process in a slot and returns its actor.
            stop: ends the process of an actor in a slot.
        """
        self._schedule, self._listener, self._on_done = schedule, listener, on_done
        self._start, self._stop = start, stop
        self._workers: list[Worker] = []
        self._deaths: Counter[str] = Counter()  # by the key of the piece
        self._recent_deaths = 0  # since a piece was done, or a worker was given up
        self._failures: list[Exception] = []
        self._finished = Work()

    def run(self, slots: Sequence[WorkerSlot]) -> None:
        """Do all pieces with a worker in each slot.

        Raises:
            Exception: the error of a piece that failed; of several the first.
            WorkError: every process that is started dies, or no machine that can work is there or is left.
        """
        for slot in slots:
            worker = Worker(slot, ProgressReplay(self._listener))
            self._start_process(worker)
            self._workers.append(worker)
        self._await_starts()
        self._hand_out()
        while awaited := self._awaited():
            ready, _ = ray.wait([*awaited], num_returns=1, timeout=1.0)
            for answer in ready:
                self._receive(awaited[answer])
        if self._failures:
            raise self._failures[0]
        if self._schedule:
            raise WorkError(f"no process was there for {len(self._schedule)} pieces", hint=KEPT)

    def kill_all(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.progress.end()
            ray.kill(worker.actor)

    def _start_process(self, worker: Worker) -> None:
        worker.actor = self._start(worker.slot)
        worker.starting = worker.actor.is_ready.remote()

    def _await_starts(self) -> None:
        """Wait for all processes to start, so that pieces are spread over them, and say whose start takes longer."""
        waiting, until = [worker.starting for worker in self._workers], time.monotonic() + PATIENCE
        while waiting and time.monotonic() < until:
            _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=1.0)
        late = [worker.slot.address or "this machine" for worker in self._workers if worker.starting in waiting]
        if late:
            meanwhile = "Others work meanwhile." if len(late) < len(self._workers) else "Nothing is done until then."
            where = f"on {', '.join(dict.fromkeys(late))}, where other work of Ray's may take the cores"
            self._listener.say(f"{len(late)} process{'es' * (len(late) > 1)} did not start yet {where}. {meanwhile}")
        for worker in [worker for worker in self._workers if worker.starting not in waiting]:
            self._on_start(worker)

    def _awaited(self) -> dict[Any, Worker]:
        """Return the workers that do a piece or start, by what Ray tells of them; none once no piece is left."""
        busy = {worker.stream: worker for worker in self._workers if worker.piece}
        starting = {worker.starting: worker for worker in self._workers if worker.starting is not None}
        return {**busy, **starting} if busy or self._schedule else {}

    def _hand_out(self) -> None:
        """Give each idle worker a piece: first one that continues its last piece, else that with the longest chain."""
        budget = MemoryBudget(worker.slot for worker in self._workers)
        for worker in self._workers:
            if worker.piece:
                budget.take(worker.slot, self._schedule.memory(worker.piece))
        idle, workers = [worker for worker in self._workers if worker.is_idle], len(self._workers)
        for worker in idle:
            has_to_send = not worker.slot.sees_workspace
            piece = self._schedule.after(worker.last, workers, budget.remaining(worker.slot), has_to_send)
            self._begin(worker, piece, budget)
        idle = [worker for worker in idle if worker.is_idle]
        for worker in [idle[index] for index in hand_out_order([worker.slot for worker in idle], budget.busy)]:
            self._begin(worker, self._schedule.longest(budget.remaining(worker.slot)), budget)
        report_progress(self._listener, self._progress())

    def _progress(self) -> PieceProgress:
        running = sum(bool(worker.piece) for worker in self._workers)
        return PieceProgress(self._finished, running, len(self._schedule), machine_loads(self._workers))

    def _begin(self, worker: Worker, piece: Piece | None, budget: MemoryBudget) -> None:
        if piece:
            budget.take(worker.slot, self._schedule.memory(piece))
            worker.piece = piece
            worker.stream = worker.actor.work.options(num_returns="streaming").remote(piece.key)

    def _receive(self, worker: Worker) -> None:
        """Take the next batch of a worker, or its start; hand out pieces if it is idle then, or has died."""
        if worker.starting is not None:
            self._on_start(worker)
            self._hand_out()
            return
        try:
            batch = ray.get(next(worker.stream))
        except RayError as error:
            self._on_death(worker, error)
            self._hand_out()
        else:
            worker.progress.replay(batch.messages)
            if batch.over:
                self._on_end(worker, batch.failure)

    def _on_end(self, worker: Worker, failure: Failure | None) -> None:
        """Record how the piece of a worker ended, and give the worker another one."""
        piece, worker.piece, worker.last = worker.piece, None, ""
        assert piece is not None
        worker.progress.end()
        self._recent_deaths = worker.not_started = 0
        if failure and failure.full and not worker.slot.sees_workspace:
            self._on_full_disk(worker, piece, failure)
        elif failure:
            self._on_failure(piece, failure.of_piece(piece.label))
        else:
            worker.last = piece.key
            self._schedule.mark_done(piece)
            self._finished += work_of([piece])
        self._hand_out()  # before the piece is logged, which may take seconds
        if not failure:
            self._on_done(piece)

    def _on_full_disk(self, worker: Worker, piece: Piece, failure: Failure) -> None:
        """Give up a worker whose machine has a full disk of its own; other workers do its piece."""
        self._stop(worker.slot, worker.actor)
        self._give_up(worker, failure.of_piece(piece.label))
        message = f"{piece.label}: the disk of {worker.slot.address} is full; one process less works there"
        self._listener.say(f"{message}. Another process does it.")
        self._schedule.give_back(piece)

    def _give_up(self, worker: Worker, error: Exception) -> None:
        """Continue without a worker; raise ``error`` if it was the last one."""
        self._workers.remove(worker)
        self._recent_deaths = 0
        if not self._workers:
            raise error

    def _on_death(self, worker: Worker, error: RayError) -> None:
        """Have the piece of a worker that has died done by another process."""
        piece, worker.piece, worker.last = worker.piece, None, ""
        assert piece is not None
        worker.progress.end()
        self._stop(worker.slot, worker.actor)
        if not self._has_machine(worker.slot):
            message = f"{piece.label}: the machine {worker.slot.address} that did it has gone"
            self._give_up(worker, WorkError(message, hint=f"No machine is left. {KEPT}"))
            self._repeat(piece, message, error)
        else:
            self._start_anew(worker, error)
            self._repeat(piece, f"{piece.label}: the process that did it died", error)

    def _start_anew(self, worker: Worker, error: RayError) -> None:
        self._recent_deaths += 1
        if self._recent_deaths > MOST_DEATHS * len(self._workers):
            raise WorkError(f"every process that is started dies: {reason(error)}")
        self._start_process(worker)

    def _on_start(self, worker: Worker) -> None:
        """Note that a process has started; for one that could not, start another one, or give up its worker."""
        started, worker.starting = worker.starting, None
        try:
            ray.get(started)
        except RayError as error:
            self._stop(worker.slot, worker.actor)
            if isinstance(error, RayActorError) and not error.actor_init_failed and self._has_machine(worker.slot):
                self._start_anew(worker, error)  # it was killed
            else:
                self._on_failed_start(worker, error)

    def _on_failed_start(self, worker: Worker, error: RayError) -> None:
        worker.not_started += 1
        message = f"a process could not start on {worker.slot.address or 'this machine'}: {last_line(error)}"
        if worker.not_started < MOST_STARTS and self._has_machine(worker.slot):
            self._start_process(worker)
            self._listener.say(f"{message}\n  It is started again.")
            return
        self._give_up(worker, WorkError(message, hint=f"No process is left. {KEPT}"))
        self._listener.say(f"{message}\n  The run continues with one process less there.")

    def _repeat(self, piece: Piece, message: str, error: RayError) -> None:
        """Have a piece done again, unless too many processes that did it died."""
        self._deaths[piece.key] += 1
        if self._deaths[piece.key] < MOST_DEATHS:
            self._listener.say(f"{message}. It is done again.")
            self._schedule.give_back(piece)
            return
        message = f"{MOST_DEATHS} processes that did it died; the last error: {reason(error)}"
        self._on_failure(piece, WorkError(f"{piece.label}: {message}"))

    def _has_machine(self, slot: WorkerSlot) -> bool:
        return not slot.machine or any(node["Alive"] and node["NodeID"] == slot.machine for node in ray.nodes())

    def _on_failure(self, piece: Piece, error: Exception) -> None:
        self._failures.append(error)
        self._schedule.mark_failed(piece)
        self._listener.say(f"{error}\n  Pieces that do not need it are still done.")


# A worker process, as the run sees it.


@dataclass
class Worker:
    """A process, and the piece that it does."""

    slot: WorkerSlot  # where it runs
    progress: ProgressReplay  # repeats the process's messages to the listener of the run
    actor: Any = None  # Ray's handle of the process
    starting: Any = None  # what Ray tells when the process has started; None from then on
    last: str = ""  # key of the piece that it did last, whose model it may have in memory
    piece: Piece | None = None  # what it does; None while it waits
    stream: Any = None  # the batches of progress messages of that piece
    not_started: int = 0  # how many processes could not start in this slot since the last piece that was done there

    @property
    def is_idle(self) -> bool:
        """Whether it has started, and waits for a piece."""
        return self.starting is None and self.piece is None


def machine_loads(workers: Sequence[Worker]) -> list[MachineLoad]:
    """Return how busy each machine of a cluster is; nothing where this one works alone."""
    processes = Counter(worker.slot.address for worker in workers if worker.slot.machine)
    busy = Counter(worker.slot.address for worker in workers if worker.piece)
    return [MachineLoad(address, busy[address], count) for address, count in processes.items()]
