"""How work is shown while it goes on: one live display in a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from adapter_workbench.experiments.engine.clock import Clock
from adapter_workbench.experiments.engine.piece_progress import MachineLoad
from adapter_workbench.experiments.engine.work import UNKNOWN
from adapter_workbench.experiments.reporting.wording import seconds
from adapter_workbench.experiments.terminal.output import stderr
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from rich.progress import TaskID

    from adapter_workbench.experiments.engine.piece_progress import PieceProgress
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.workbench.machine.listener import Listener

PAUSE = 60.0  # seconds between two lines about one fit, or about all pieces
MACHINES = 8  # that have a line each


class Messages(Silent):
    """What is said, one line each; no progress."""

    def say(self, message: str) -> None:
        """Print one line, in the first of several processes; bars that are shown stay below it."""
        if is_first():
            stderr.print(message)


class LiveProgress(Messages):
    """Bars: the whole run with the time left, its pieces, machines at work, and each fit at hand with epoch and loss.

    Attributes:
        bars: the display, a context in which it is shown.
    """

    def __init__(self, title: str, clock: Clock) -> None:
        """Show the fit at hand alone where ``clock`` has no end that is known."""
        self.title, self.clock = title, clock
        self.bars = Progress(
            TextColumn(
                "{task.description}",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                markup=False,
            ),
            BarColumn(bar_width=8),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
            expand=True,
            console=stderr,
            transient=True,
        )
        updates = clock.ahead.updates
        visible = updates is not None
        self.whole = self.bars.add_task(title, total=updates, note="", visible=visible)
        self._pieces = self.bars.add_task("pieces", note="", visible=False)
        self._machine_bars: dict[str, TaskID] = {}

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Show one fit."""
        with self.clock.fit(label, steps) as reach:
            self.bars.update(self.whole, description=f"{self.title} {self.clock.fit_count}".strip())
            bar = self.bars.add_task(label, total=steps, note="")

            def advance(step: int, epoch: float, loss: float) -> None:
                reach(step)
                self.bars.update(bar, completed=step, note=f"epoch {epoch:.1f} loss {loss:.2f}")
                self.bars.update(self.whole, completed=self.clock.done, note=left(self.clock))

            try:
                yield advance
            finally:
                self.bars.remove_task(bar)

    def show_pieces(self, progress: PieceProgress) -> None:
        """Show how many pieces are done, and how many processes of each machine are busy."""
        self.clock.count_pieces(progress.done)
        self.bars.update(self.whole, completed=self.clock.done, note=left(self.clock))
        note, several = f"{progress.running:,} running", progress.pieces > 1
        self.bars.update(
            self._pieces, total=progress.pieces, completed=progress.done.pieces, note=note, visible=several
        )
        machines = {machine.address: machine for machine in machine_lines(progress.machines)}
        for gone in self._machine_bars.keys() - machines.keys():
            self.bars.remove_task(self._machine_bars.pop(gone))
        for address, machine in machines.items():
            if address not in self._machine_bars:
                self._machine_bars[address] = self.bars.add_task(address, note="busy")
            self.bars.update(self._machine_bars[address], total=machine.processes, completed=machine.busy)


class PlainProgress(Messages):
    """Two lines for each fit, for logs: its place in the run, and how it ended with the time left; one each minute.

    One line a minute tells where all pieces stand.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing done."""
        self.clock = clock
        self._last_line = time.monotonic()

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Say how the fit began, how it goes on where it takes long, and how it ended."""
        said_at = time.monotonic()
        last: float | None = None  # of a fit whose last checkpoint was at its end there is no step
        with self.clock.fit(label, steps) as reach:

            def advance(step: int, epoch: float, loss: float) -> None:
                nonlocal last, said_at
                reach(step)
                last = loss
                if time.monotonic() >= said_at + PAUSE:
                    said_at = time.monotonic()
                    self.say(f"{prefix}{label}: step {step} of {steps}, epoch {epoch:.1f}, loss {loss:.3f}{self._left}")

            prefix = f"{self.clock.fit_count} " if self.clock.fit_count else ""
            self.say(f"{prefix}{label}: {steps} steps")
            yield advance
        loss = "" if last is None else f", last loss {last:.3f}"
        self.say(f"{prefix}{label}: done{loss}{self._left}")

    def show_pieces(self, progress: PieceProgress) -> None:
        """Say once a minute how many pieces are done, and how many processes of each machine are busy."""
        self.clock.count_pieces(progress.done)
        if time.monotonic() >= self._last_line + PAUSE:
            self._last_line = time.monotonic()
            busy = [
                f"{machine.address}: {machine.busy:,} of {machine.processes:,} busy"
                for machine in machine_lines(progress.machines)
            ]
            pieces = f"{progress.done.pieces:,} of {progress.pieces:,} pieces done, {progress.running:,} running"
            self.say("; ".join([f"{pieces}{self._left}", *busy]))

    @property
    def _left(self) -> str:
        words = left(self.clock)
        return f", {words}" if words else ""


def left(clock: Clock) -> str:
    """Return the time left in words; nothing where it is not known."""
    return "" if clock.remaining is None else f"{seconds(clock.remaining)} left"


def machine_lines(machines: Sequence[MachineLoad]) -> Sequence[MachineLoad]:
    """Return a line for each machine, or one line for all if there are more than :data:`MACHINES`."""
    if len(machines) <= MACHINES:
        return machines
    busy, processes = sum(machine.busy for machine in machines), sum(machine.processes for machine in machines)
    return [MachineLoad(f"{len(machines):,} machines", busy, processes)]


@contextmanager
def progress(title: str, ahead: Work = UNKNOWN) -> Iterator[Listener]:
    """Show on stderr how a run goes that has this work ahead of it; yield what hears of it.

    Of several processes of the same run the first shows it.
    """
    _without_other_bars()
    clock = Clock(ahead)
    if not is_first():
        yield Silent()
    elif stderr.is_terminal:
        live = LiveProgress(title, clock)
        with live.bars:
            yield live
    else:
        yield PlainProgress(clock)


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show in a terminal how many of ``total`` rows are done; call what it yields with the size of each batch."""
    if not (stderr.is_terminal and is_first()):
        yield lambda done: None
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} rows"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=stderr,
        transient=True,
    ) as shown:
        bar = shown.add_task(title, total=total)
        yield lambda done: shown.advance(bar, done)


@contextmanager
def going_through(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show how many of ``total`` are done: a bar in a terminal, a line each elsewhere.

    Call what it yields with a line about each that is done.
    """
    if not (stderr.is_terminal and is_first()):
        count = iter(range(1, total + 1))
        yield lambda line: Messages().say(f"{next(count)} of {total}  {line}")
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn(
            "{task.fields[line]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"), markup=False
        ),
        console=stderr,
        transient=True,
        expand=True,
    ) as display:
        bar = display.add_task(what, total=total, line="")
        yield lambda line: display.update(bar, advance=1, line=line)


def _without_other_bars() -> None:
    """Switch off the bars of ``datasets``, which would be drawn across ours; it is not imported for that."""
    if "datasets" in sys.modules:
        sys.modules["datasets"].disable_progress_bars()
    else:
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
