"""How work is shown while it goes on: one live display in a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from experiments.terminal.output import stderr
from workbench.contracts import Silent
from workbench.processes import is_first


class LiveProgress:
    """Two bars: the whole work in optimiser steps with the time left, and the fit at hand with epoch and loss."""

    def __init__(self, title: str, updates: int | None) -> None:
        """Expect ``updates`` optimiser steps in all; None shows the fit at hand only."""
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=8),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
            expand=True,
            console=stderr,
            transient=True,
        )
        visible = updates is not None
        self.whole = self.progress.add_task(title, total=updates, note="all steps", visible=visible)

    def __enter__(self) -> Self:
        """Show the display."""
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away; lines that were said stay."""
        self.progress.stop()

    def say(self, message: str) -> None:
        """Print one line above the bars."""
        self.progress.console.print(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Show one fit."""
        bar = self.progress.add_task(label, total=steps, note="")
        try:
            yield self._advance(bar)
        finally:
            self.progress.remove_task(bar)

    def _advance(self, bar: TaskID) -> Callable[[int, float, float], None]:
        done = 0

        def advance(step: int, epoch: float, loss: float) -> None:
            nonlocal done
            self.progress.update(bar, completed=step, note=f"epoch {epoch:.1f} loss {loss:.2f}")
            self.progress.advance(self.whole, step - done)
            done = step

        return advance


class PlainProgress:
    """One line for each fit, for logs."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def say(self, message: str) -> None:
        """Print one line."""
        stderr.print(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Say how the fit began, and how it ended."""
        last = [0.0]

        def advance(step: int, epoch: float, loss: float) -> None:
            last[0] = loss

        stderr.print(f"{label}: {steps} steps")
        yield advance
        stderr.print(f"{label}: done, last loss {last[0]:.3f}")


class NoProgress(Silent):
    """Nothing: another process of the same run draws it."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""


def progress(title: str, updates: int | None) -> LiveProgress | PlainProgress | NoProgress:
    """Return the display that suits stderr."""
    if not is_first():
        return NoProgress()
    return LiveProgress(title, updates) if stderr.is_terminal else PlainProgress()


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show in a terminal how many of ``total`` rows are done; call what it yields with the size of each batch."""
    if not (stderr.is_terminal and is_first()):
        yield lambda done: None
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} rows"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=stderr,
        transient=True,
    ) as shown:
        bar = shown.add_task(title, total=total)
        yield lambda done: shown.advance(bar, done)
