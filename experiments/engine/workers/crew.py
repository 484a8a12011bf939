"""Processes of Ray's at one schedule: each is handed a piece, heard, and replaced where it has died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from experiments.engine.standing import Staff, Standing, Tally, tell
from experiments.engine.workers.failure import Failure
from experiments.engine.workers.relay import Fits
from experiments.engine.workers.room import room_left
from experiments.engine.workers.schedule import Schedule
from experiments.engine.workers.slot import Slot
from workbench.errors import WorkError, reason

if TYPE_CHECKING:
    from experiments.engine.study import Piece
    from workbench.listener import Listener

MOST_DEATHS = 3  # of processes that did the same piece


@dataclass
class Worker:
    """A process, and the piece that it does.

    Attributes:
        slot: where it runs.
        hand: the actor.
        fits: as the listener of the run hears of them.
        last: key of the piece that it did last, whose model it may have in memory.
        piece: what it does; None where it waits.
        stream: what it says while it does that.
    """

    slot: Slot
    hand: Any
    fits: Fits
    last: str = ""
    piece: Piece | None = None
    stream: Any = None


def alike(first: Worker, second: Worker) -> bool:
    """Return whether two workers share a machine."""
    return first.slot.machine == second.slot.machine


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
        self._lately = 0  # processes that died since a piece was done
        self._failures: list[Exception] = []
        self._tally = Tally()

    def work(self, slots: Sequence[Slot]) -> None:
        """Do all pieces with a worker for each slot.

        Raises:
            Exception: what a piece failed with; of several the first.
            WorkError: processes die whatever they do, or the last machine has gone.
        """
        self._workers = [Worker(slot, self._hire(slot), Fits(self._listener)) for slot in slots]
        self._hand_out()
        while busy := {worker.stream: worker for worker in self._workers if worker.piece}:
            ready, _ = ray.wait([*busy], num_returns=1, timeout=1.0)
            for stream in ready:
                self._hear(busy[stream])
            self._hand_out()
        if self._failures:
            raise self._failures[0]

    def leave(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.fits.end()
            ray.kill(worker.hand)

    def _hand_out(self) -> None:
        """Give every worker that waits a piece: what goes on from its last one, else that with the longest chain."""
        waiting = [worker for worker in self._workers if not worker.piece]
        for worker in waiting:
            self._begin(worker, self._schedule.after(worker.last, len(self._workers), self._room(worker)))
        for worker in waiting:
            if not worker.piece:
                self._begin(worker, self._schedule.longest(self._room(worker)))
        if waiting:
            tell(self._listener, self._standing())

    def _standing(self) -> Standing:
        """Return how many pieces are done, being done and waiting, and how busy each machine is."""
        processes = Counter(worker.slot.address for worker in self._workers if worker.slot.machine)
        busy = Counter(worker.slot.address for worker in self._workers if worker.piece)
        staff = [Staff(address, busy[address], count) for address, count in processes.items()]
        tally = self._tally
        return Standing(tally.pieces, busy.total(), len(self._schedule), staff, tally.fits, tally.updates)

    def _room(self, worker: Worker) -> float:
        """Return how many MB a worker's next piece may take, beside what others do on its machine."""
        largest = max(other.slot.memory_mb for other in self._workers)
        taken = [self._schedule.memory(other.piece) for other in self._workers if other.piece and alike(other, worker)]
        return room_left(worker.slot.memory_mb, taken, largest)

    def _begin(self, worker: Worker, piece: Piece | None) -> None:
        if piece:
            worker.piece = piece
            worker.stream = worker.hand.work.options(num_returns="streaming").remote(piece.key)

    def _hear(self, worker: Worker) -> None:
        try:
            heard = ray.get(next(worker.stream))
        except RayError as error:
            self._died(worker, error)
        else:
            worker.fits.tell(heard.messages)
            if heard.over:
                self._over(worker, heard.failure)

    def _over(self, worker: Worker, failure: Failure | None) -> None:
        """Take note that a worker has come to the end of its piece."""
        piece, worker.piece = worker.piece, None
        assert piece is not None
        worker.fits.end()
        self._lately = 0
        if failure and failure.full and not worker.slot.sees:
            self._leave_out(worker, piece, failure)
            return
        if failure:
            worker.last = ""
            self._failed(piece, failure.of_piece(piece.label))
            return
        worker.last = piece.key
        self._schedule.finished(piece)
        self._tally.add(piece)
        self._hand_out()  # before the piece is logged, which may take seconds
        self._done(piece)

    def _leave_out(self, worker: Worker, piece: Piece, failure: Failure) -> None:
        """Give the pieces of a worker on a machine with a full disk of its own to the others."""
        self._dismiss(worker.slot, worker.hand)
        self._workers.remove(worker)
        if not self._workers:
            raise failure.of_piece(piece.label)
        message = f"{piece.label}: the disk of {worker.slot.address} is full; one process less works there"
        self._listener.say(f"{message}. It is done again.")
        self._schedule.returned(piece)

    def _died(self, worker: Worker, error: RayError) -> None:
        """Let another process do the piece of a worker that has died."""
        piece = worker.piece
        assert piece is not None
        worker.fits.end()
        self._dismiss(worker.slot, worker.hand)
        self._lately += 1
        self._deaths[piece.key] += 1
        if self._lately > MOST_DEATHS * len(self._workers):
            raise WorkError(f"every process that is started dies: {reason(error)}", where=piece.label)
        worker.piece, worker.last = None, ""
        message = f"{piece.label}: the process that did it died"
        if self._is_there(worker.slot):
            worker.hand = self._hire(worker.slot)
        else:
            message = f"{piece.label}: the machine {worker.slot.address} that did it has gone"
            self._workers.remove(worker)
        if not self._workers:
            raise WorkError(message, hint="No machine is left. What was finished is kept; the same command goes on.")
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
