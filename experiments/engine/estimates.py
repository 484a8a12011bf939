"""How long pieces will take: at the speed of earlier work, or of optimiser steps that are made for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.engine.piece import Piece
    from experiments.workspace import Workspace
    from experiments.workspace.pace import Speed


@dataclass(frozen=True)
class Estimate:
    """How long a piece will take.

    Attributes:
        seconds: None where nothing tells.
        measured: whether they are those of its optimiser steps alone, made just now: loading, tests and probes come on
            top.
    """

    seconds: float | None
    measured: bool = False


@dataclass
class Estimator:
    """What is expected of the time of pieces in one workspace.

    Attributes:
        workspace: has noted how long work took.
        measure: whether steps are made where it has not.
        say: is called before steps are made, with what they are.
    """

    workspace: Workspace
    measure: bool
    say: Callable[[str], None]
    _made: dict[str, Speed | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is noted."""
        self._before = self.workspace.pace.estimator()

    def of(self, piece: Piece, done: bool) -> Estimate:
        """Return what is expected of a piece; no steps are made for one that is done.

        Raises:
            TrainingError: steps were made, and failed.
        """
        effort = piece.effort
        seconds = self._before(effort.pace, effort.updates)
        if seconds is not None:
            return Estimate(round(seconds, 1))
        if done or not self.measure or effort.updates is None:
            return Estimate(None)
        if not effort.updates:
            return Estimate(0.0, measured=True)
        speed = self._timed(piece)
        timed = None if speed is None else speed.takes(effort.updates)
        return Estimate(None) if timed is None else Estimate(round(timed, 1), measured=True)

    def _timed(self, piece: Piece) -> Speed | None:
        """Return the speed of a piece's optimiser steps, made once for all that are alike."""
        steps = piece.effort.steps
        if steps is None:
            return None
        if steps.key not in self._made:
            self.say(f"Steps of {steps.label} are timed.")
            self._made[steps.key] = steps.speed()
        return self._made[steps.key]
