"""Listeners of tests: one keeps what it hears, one prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapter_workbench.experiments.engine.piece_progress import PieceProgress
from adapter_workbench.workbench.machine.listener import Silent


class Ear(Silent):
    """Keeps messages, progress, the fits that began, and those that ended or broke off (not those that failed)."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.fits: list[str] = []
        self.ended: list[str] = []
        self.progress: list[PieceProgress] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        self.fits.append(label)
        try:
            yield lambda step, epoch, loss: None
        except InterruptedError:
            self.ended.append(f"{label} broke off")
            raise
        self.ended.append(label)

    def show_pieces(self, progress: PieceProgress) -> None:
        self.progress.append(progress)


class Printer(Silent):
    """Prints each message at once, and with ``progress`` how busy the processes of each machine are."""

    def __init__(self, progress: bool = False) -> None:
        self.progress = progress

    def say(self, message: str) -> None:
        print(message, flush=True)

    def show_pieces(self, progress: PieceProgress) -> None:
        if self.progress:
            loads = (f"{load.busy}/{load.processes}" for load in progress.machines)
            print("progress", progress.pieces, *loads, flush=True)
