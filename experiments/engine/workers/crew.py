"""Processes of Ray's at one schedule: each is handed a piece, heard, and replaced where it has died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayError

from experiments.engine.standing import Standing, tell
from experiments.engine.work import Work, work_of
from experiments.engine.workers.failure import KEPT, Failure, last_line
from experiments.engine.workers.relay import Fits
from experiments.engine.workers.room import Rooms
from experiments.engine.workers.schedule import Schedule
from experiments.engine.workers.slot import Slot, spread
from experiments.engine.workers.worker import Worker, staff_of
from workbench.errors import WorkError, reason

if TYPE_CHECKING:
    from experiments.engine.study import Piece
    from workbench.machine.listener import Listener

MOST_DEATHS = 3  # of processes that did the same piece
MOST_STARTS = 2  # in a row in which a process does not start at the same place


class Crew:
    """Workers at one schedule."""

    def __init__(
        self,
        schedule: Schedule,
        listener: Listener,
        done: Callable[[Piece], None],
        hire: Callable[[Slot], Any],
        dismiss: Callable[[Slot, Any], None],
    ) -> None:
        """Work on ``schedule``; ``hire`` starts a process where there is room for it, ``dismiss`` ends it."""
        self._schedule, self._listener, self._done = schedule, listener, done
        self._hire, self._dismiss = hire, dismiss
        self._workers: list[Worker] = []
        self._deaths: Counter[str] = Counter()
        self._lately = 0  # processes that died since a piece was done, or a worker left out
        self._failures: list[Exception] = []
        self._finished = Work()

    def work(self, slots: Sequence[Slot]) -> None:
        """Do all pieces with a worker for each slot.

        Raises:
            Exception: what a piece failed with; of several the first.
            WorkError: processes die whatever they do, or no machine is left on which one can work.
        """
        self._workers = [Worker(slot, self._hire(slot), Fits(self._listener)) for slot in slots]
        self._hand_out()
        while busy := {worker.stream: worker for worker in self._workers if worker.piece}:
            ready, _ = ray.wait([*busy], num_returns=1, timeout=1.0)
            for stream in ready:
                self._hear(busy[stream])
        if self._failures:
            raise self._failures[0]

    def leave(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.fits.end()
            ray.kill(worker.hand)

    def _hand_out(self) -> None:
        """Give every worker that waits a piece: what goes on from its last one, else that with the longest chain."""
        rooms = Rooms(worker.slot for worker in self._workers)
        for worker in self._workers:
            if worker.piece:
                rooms.take(worker.slot, self._schedule.memory(worker.piece))
        waiting, crowd = [worker for worker in self._workers if not worker.piece], len(self._workers)
        for worker in waiting:
            apart = not worker.slot.sees
            self._begin(worker, self._schedule.after(worker.last, crowd, rooms.left(worker.slot), apart), rooms)
        waiting = [worker for worker in waiting if not worker.piece]
        for worker in [waiting[index] for index in spread([worker.slot for worker in waiting], rooms.busy)]:
            self._begin(worker, self._schedule.longest(rooms.left(worker.slot)), rooms)
        tell(self._listener, self._standing())

    def _standing(self) -> Standing:
        """Return how many pieces are done, being done and waiting, and how busy each machine is."""
        running = sum(bool(worker.piece) for worker in self._workers)
        return Standing(self._finished, running, len(self._schedule), staff_of(self._workers))

    def _begin(self, worker: Worker, piece: Piece | None, rooms: Rooms) -> None:
        if piece:
            rooms.take(worker.slot, self._schedule.memory(piece))
            worker.piece = piece
            worker.stream = worker.hand.work.options(num_returns="streaming").remote(piece.key)

    def _hear(self, worker: Worker) -> None:
        """Take what a worker says; hand out pieces if it waits then, or has gone."""
        try:
            heard = ray.get(next(worker.stream))
        except RayError as error:
            self._died(worker, error)
            self._hand_out()
        else:
            worker.fits.tell(heard.messages)
            if heard.over:
                self._over(worker, heard.failure)

    def _over(self, worker: Worker, failure: Failure | None) -> None:
        """Take note that a worker has come to the end of its piece."""
        piece, worker.piece, worker.last = worker.piece, None, ""
        assert piece is not None
        worker.fits.end()
        self._lately = worker.not_started = 0
        if failure and failure.full and not worker.slot.sees:
            self._full(worker, piece, failure)
        elif failure:
            self._failed(piece, failure.of_piece(piece.label))
        else:
            worker.last = piece.key
            self._schedule.finished(piece)
            self._finished += work_of([piece])
        self._hand_out()  # before the piece is logged, which may take seconds
        if not failure:
            self._done(piece)

    def _full(self, worker: Worker, piece: Piece, failure: Failure) -> None:
        """Give the pieces of a worker on a machine with a full disk of its own to the others."""
        self._dismiss(worker.slot, worker.hand)
        self._leave_out(worker, failure.of_piece(piece.label))
        message = f"{piece.label}: the disk of {worker.slot.address} is full; one process less works there"
        self._listener.say(f"{message}. It is done again.")
        self._schedule.returned(piece)

    def _leave_out(self, worker: Worker, error: Exception) -> None:
        """Go on without a worker; raise ``error`` if it was the last one."""
        self._workers.remove(worker)
        self._lately = 0
        if not self._workers:
            raise error

    def _died(self, worker: Worker, error: RayError) -> None:
        """Let another process do the piece of a worker that has died."""
        piece, worker.piece, worker.last = worker.piece, None, ""
        assert piece is not None
        worker.fits.end()
        self._dismiss(worker.slot, worker.hand)
        if not self._is_there(worker.slot):
            message = f"{piece.label}: the machine {worker.slot.address} that did it has gone"
            self._leave_out(worker, WorkError(message, hint=f"No machine is left. {KEPT}"))
            self._again(piece, message, error)
        elif isinstance(error, RayActorError) and error.actor_init_failed:
            self._schedule.returned(piece)
            self._could_not_start(worker, error)
        else:
            self._lately += 1
            if self._lately > MOST_DEATHS * len(self._workers):
                raise WorkError(f"every process that is started dies: {reason(error)}", where=piece.label)
            worker.hand = self._hire(worker.slot)
            self._again(piece, f"{piece.label}: the process that did it died", error)

    def _could_not_start(self, worker: Worker, error: RayError) -> None:
        """Start another process for one that has done no piece, or leave its worker out; no piece is to blame."""
        worker.not_started += 1
        message = f"a process could not start on {worker.slot.address or 'this machine'}: {last_line(error)}"
        if worker.not_started < MOST_STARTS:
            worker.hand = self._hire(worker.slot)
            self._listener.say(f"{message}\n  It is started again.")
            return
        self._leave_out(worker, WorkError(message, hint=f"No process is left. {KEPT}"))
        self._listener.say(f"{message}\n  One process less works there.")

    def _again(self, piece: Piece, message: str, error: RayError) -> None:
        """Have a piece done again, unless the processes that did it died too often."""
        self._deaths[piece.key] += 1
        if self._deaths[piece.key] < MOST_DEATHS:
            self._listener.say(f"{message}. It is done again.")
            self._schedule.returned(piece)
            return
        message = f"{MOST_DEATHS} processes that did it died, the last of them so: {reason(error)}"
        self._failed(piece, WorkError(f"{piece.label}: {message}"))

    def _is_there(self, slot: Slot) -> bool:
        return not slot.machine or any(node["Alive"] and node["NodeID"] == slot.machine for node in ray.nodes())

    def _failed(self, piece: Piece, error: Exception) -> None:
        self._failures.append(error)
        self._schedule.failed(piece)
        self._listener.say(f"{error}\n  What does not need it goes on.")
