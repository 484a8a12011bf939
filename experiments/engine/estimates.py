"""How long pieces will take: at the speed of earlier pieces, or of optimiser steps that are timed for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.experiments.workspace.pace import Speed


@dataclass(frozen=True)
class Estimate:
    """How long a piece will take."""

    seconds: float | None  # None where they cannot be estimated
    # whether they are only for its optimiser steps, timed just now: loading, tests and probes are added
    measured: bool = False


@dataclass
class Estimator:
    """Estimates how long pieces will take in one workspace."""

    workspace: Workspace  # has the durations of earlier pieces
    measure: bool  # whether optimiser steps are timed where there was no such piece
    say: Callable[[str], None]  # is called with the name of the steps before they are timed
    _speeds: dict[str, Speed | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the durations."""
        self._by_pace = self.workspace.pace.estimator()

    def estimate(self, piece: Piece, done: bool) -> Estimate:
        """Return how long a piece will take; no steps are timed for a piece that is done.

        Raises:
            TrainingError: the timed steps failed.
        """
        effort = piece.effort
        seconds = self._by_pace(effort.pace, effort.updates)
        if seconds is not None:
            return Estimate(round(seconds, 1))
        if done or not self.measure or effort.updates is None:
            return Estimate(None)
        if not effort.updates:
            return Estimate(0.0, measured=True)
        speed = self._measured_speed(piece)
        seconds = None if speed is None else speed.takes(effort.updates)
        return Estimate(None) if seconds is None else Estimate(round(seconds, 1), measured=True)

    def _measured_speed(self, piece: Piece) -> Speed | None:
        """Return the speed of a piece's optimiser steps, measured once for all pieces that are alike."""
        steps = piece.effort.steps
        if steps is None:
            return None
        if steps.key not in self._speeds:
            self.say(f"Steps of {steps.label} are timed.")
            self._speeds[steps.key] = steps.speed()
        return self._speeds[steps.key]
