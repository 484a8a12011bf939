"""What a dry run prints: the work that lies ahead, and what is done already; the same table for every study."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.work import work_of
from adapter_workbench.experiments.reporting.wording import DASH, count
from adapter_workbench.experiments.reporting.wording import seconds as in_words
from adapter_workbench.experiments.terminal.output import emit, stdout, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.engine.estimates import Estimate, Estimator
    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.study import Plan
    from adapter_workbench.experiments.terminal.planned_workers import PlannedWorkers

HEADS = ("steps", "time", "parameters", "memory MB")
MEMORY = (
    "Parameters: those of the body that are trained, heads not counted. "
    "Memory: of a plain training step at full length, model included."
)
SINGLE = 30  # pieces up to which each has a line of its own


@dataclass(frozen=True)
class Ahead:
    """One piece of a plan, and what is expected of it."""

    piece: Piece
    done: bool
    expected: Estimate

    @property
    def seconds(self) -> float | None:
        """How long it will take; None where nothing tells."""
        return self.expected.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``pieces`` in ``--dry-run --json``."""
        effort = self.piece.effort
        forecast = effort.forecast()
        return {
            **self.piece.coordinates,
            "optimiser_steps": effort.updates,
            "predicted_memory_mb": forecast.memory_mb,
            "trainable_parameters": forecast.trainable_parameters,
            "expected_seconds": self.seconds,
            "expected_from_steps": self.expected.measured,
            "done": self.done,
        }


def preview(
    plan: Plan,
    pieces: Sequence[Piece],
    pending: Sequence[Piece],
    estimator: Estimator,
    as_json: bool,
    workers: PlannedWorkers,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print the plan of an experiment of any kind: its ``pieces``, which of them are ``pending``, and who does them.

    ``more``: further parts of the document.
    """
    waiting = {piece.key for piece in pending}
    ahead = []
    for piece in pieces:
        done = piece.key not in waiting
        ahead.append(Ahead(piece, done, estimator.estimate(piece, done)))
    todo = [entry for entry in ahead if not entry.done]
    expected = workers.makespan(pending, {entry.piece.key: entry.seconds for entry in todo})
    if as_json:
        about = {"recipe": plan.name, "study": plan.study, "backbone": plan.backbone.name}
        machines = {"machines": workers.as_json()} if workers.machines else {}
        emit(
            {
                **about,
                **machines,
                "expected_seconds": expected,
                "pieces": [entry.as_json() for entry in ahead],
                **(more or {}),
            }
        )
        return
    _table(ahead)
    steps = work_of(pending).updates
    steps_in_words = "" if steps is None else f", {steps:,} optimiser steps"
    distinct = len({entry.piece.key for entry in ahead})
    stdout.print(f"\n{len(waiting)} of {distinct} pieces to do{steps_in_words}. Nothing was trained.")
    stdout.print(MEMORY)
    workers.show()
    _say_time(expected, todo, workers.processes, estimator.measure)


def _table(ahead: Sequence[Ahead]) -> None:
    """Print a line for each piece, or, where there are many, for all pieces that differ in seed and stage alone."""
    grouped: dict[tuple[Any, ...], list[Ahead]] = {}
    several = ("seed", "stage", "task", "order", "target", "shots") if len(ahead) > SINGLE else ()
    for entry in ahead:
        shown = {name: value for name, value in _for_people(entry.piece.coordinates).items() if name not in several}
        grouped.setdefault(tuple(shown.items()), []).append(entry)
    names = list(dict.fromkeys(name for group in grouped for name, _ in group))
    alike = all(len(group) == len(names) for group in grouped)  # else most of a row would be empty
    heads = [*(names if alike else ["part"]), *(["pieces"] if several else []), "done", *HEADS]
    rows = []
    for group, members in grouped.items():
        values, todo = [_text(value) for _, value in group], [entry for entry in members if not entry.done]
        expected = _total([entry.seconds for entry in todo])
        steps = work_of(entry.piece for entry in members).updates
        memory, trained = (max(values, default=0) for values in zip(*map(_forecast, members), strict=True))
        done = f"{len(members) - len(todo)}" if several else ("no" if todo else "yes")
        rows.append(
            [
                *(values if alike else [" · ".join(values)]),
                *([len(members)] if several else []),
                done,
                DASH if steps is None else steps,
                "" if not todo else in_words(expected),
                count(trained) if trained else DASH,
                memory or DASH,
            ]
        )
    table(heads, rows)


def _forecast(entry: Ahead) -> tuple[float, int]:
    """Return memory and trained parameters, 0 where they are not known."""
    forecast = entry.piece.effort.forecast()
    return forecast.memory_mb or 0, forecast.trainable_parameters or 0


def _for_people(coordinates: Mapping[str, Any]) -> dict[str, Any]:
    """Return those coordinates that tell people something: no keys, no file names."""
    return {name: value for name, value in coordinates.items() if name not in ("step", "steps", "outcome")}


def _text(value: Any) -> str:
    """Return a coordinate as a table shows it: of a tuned learning rate, three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _total(values: Sequence[float | None]) -> float | None:
    """Return the sum; None where a part is not known."""
    known_values = [value for value in values if value is not None]
    return math.fsum(known_values) if len(known_values) == len(values) else None


def _say_time(seconds: float | None, todo: Sequence[Ahead], processes: int, measured: bool) -> None:
    """Print how long it takes; where that is not known, what tells: ``measured`` is whether steps were timed."""
    unknown = [entry.piece.label for entry in todo if entry.seconds is None]
    several = f" with {processes} processes" if processes > 1 else ""
    if seconds is None:
        names = ", ".join(dict.fromkeys(unknown[:3])) + (f", and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        stdout.print(f"Time: not known until similar work was done in this workspace: {names}.", markup=False)
        if not measured and any(entry.piece.effort.steps for entry in todo if entry.seconds is None):
            stdout.print("With --dry-run --measure, ten training steps of each kind are timed for it, and thrown away.")
    elif any(entry.expected.measured for entry in todo):
        stdout.print(f"Time: {in_words(seconds)}{several} for the optimiser steps that were timed; tests come on top.")
    else:
        stdout.print(f"Time: {in_words(seconds)}{several}, at the speed of earlier work in this workspace.")
