"""How work is shown while it goes on: one live display in a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from experiments.reporting.wording import seconds
from experiments.terminal.output import stderr
from workbench.listener import Silent
from workbench.processes import is_first

if TYPE_CHECKING:
    from experiments.engine.study import Piece
    from workbench.listener import Listener

PAUSE = 60.0  # seconds between two lines about one fit


@dataclass
class Course:
    """How far a whole run has come, and how long the rest will take at the speed measured since it began.

    Attributes:
        fits: how many lie ahead when it begins; None where that cannot be told. One that tries several settings has
            one label for all of them, and counts once.
        updates: the same in optimiser steps, which all count.
        labels: of the fits so far.
        done: optimiser steps so far.
    """

    fits: int | None
    updates: int | None
    labels: set[str] = field(default_factory=set)
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int], None]]:
        """Count a fit, and the steps that it says it has come to; one that ends early has no more ahead of it."""
        self.labels.add(label)
        reached = 0

        def reach(step: int) -> None:
            nonlocal reached
            self.done += step - reached
            reached = step

        yield reach
        reach(steps)

    @property
    def place(self) -> str:
        """Which fit of how many: ``3/24``; nothing where that is not known."""
        return f"{len(self.labels)}/{self.fits}" if self.fits else ""

    @property
    def left(self) -> str:
        """The time left in words, tests and probes included; nothing at the end, or where nothing tells it yet."""
        if not self.updates or not self.done or self.done >= self.updates:
            return ""
        elapsed, ahead = time.monotonic() - self.began, max(self.updates - self.done, 0)
        return f"{seconds(elapsed * ahead / self.done)} left"


class Messages(Silent):
    """What is said, one line each; no progress."""

    def say(self, message: str) -> None:
        """Print one line, in the first of several processes; bars that are shown stay below it."""
        if is_first():
            stderr.print(message)


class LiveProgress(Messages):
    """Two bars: the whole run with the fit's place in it and the time left, and the fit at hand with epoch and loss.

    Attributes:
        bars: the display, a context in which it is shown.
    """

    def __init__(self, title: str, course: Course) -> None:
        """Show the fit at hand alone where ``course`` has no end that is known."""
        self.title, self.course = title, course
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
        visible = course.updates is not None
        self.whole = self.bars.add_task(title, total=course.updates, note="", visible=visible)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Show one fit."""
        with self.course.fit(label, steps) as reach:
            self.bars.update(self.whole, description=f"{self.title} {self.course.place}".strip())
            bar = self.bars.add_task(label, total=steps, note="")

            def advance(step: int, epoch: float, loss: float) -> None:
                reach(step)
                self.bars.update(bar, completed=step, note=f"epoch {epoch:.1f} loss {loss:.2f}")
                self.bars.update(self.whole, completed=self.course.done, note=self.course.left)

            try:
                yield advance
            finally:
                self.bars.remove_task(bar)


class PlainProgress(Messages):
    """Two lines for each fit, for logs: its place in the run, and how it ended with the time left; one each minute."""

    def __init__(self, course: Course) -> None:
        """Begin with nothing done."""
        self.course = course

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Say how the fit began, how it goes on where it takes long, and how it ended."""
        last, said = 0.0, time.monotonic()
        with self.course.fit(label, steps) as reach:

            def advance(step: int, epoch: float, loss: float) -> None:
                nonlocal last, said
                reach(step)
                last = loss
                if time.monotonic() >= said + PAUSE:
                    said = time.monotonic()
                    self.say(f"{place}{label}: step {step} of {steps}, epoch {epoch:.1f}, loss {loss:.3f}{self._left}")

            place = f"{self.course.place} " if self.course.place else ""
            self.say(f"{place}{label}: {steps} steps")
            yield advance
        self.say(f"{place}{label}: done, last loss {last:.3f}{self._left}")

    @property
    def _left(self) -> str:
        return f", {self.course.left}" if self.course.left else ""


def ahead(pieces: Sequence[Piece]) -> tuple[int, int] | tuple[None, None]:
    """Return how many optimiser steps and fits these pieces take; None for both where nobody knows before."""
    updates = [piece.effort.updates for piece in pieces]
    known = [steps for steps in updates if steps is not None]
    return (sum(known), sum(steps > 0 for steps in known)) if len(known) == len(updates) else (None, None)


@contextmanager
def progress(title: str, updates: int | None = None, fits: int | None = None) -> Iterator[Listener]:
    """Show on stderr how a run goes that has so many optimiser steps and fits ahead of it; yield what hears of it.

    Of several processes of the same run the first shows it.
    """
    _without_other_bars()
    course = Course(fits, updates)
    if not is_first():
        yield Silent()
    elif stderr.is_terminal:
        live = LiveProgress(title, course)
        with live.bars:
            yield live
    else:
        yield PlainProgress(course)


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


def _without_other_bars() -> None:
    """Switch off the bars of ``datasets``, which would be drawn across ours; it is not imported for that."""
    if "datasets" in sys.modules:
        sys.modules["datasets"].disable_progress_bars()
    else:
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
