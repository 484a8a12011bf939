"""The pieces that the work of a study is cut into, and what each of them will take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.timed_steps import TimedSteps
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener


@dataclass(frozen=True)
class Forecast:
    """What a piece's training will take; None where the architecture is not known, or nothing is trained."""

    memory_mb: float | None = None  # peak of a plain training step, in MB
    trainable_parameters: int | None = None  # of the body, heads not counted


@dataclass(frozen=True)
class Effort:
    """What a piece will take."""

    pace: str  # equal for pieces whose optimiser steps take equally long on one machine
    updates: int | None = 0  # most optimiser steps that it takes; None where nobody knows before
    forecast: Callable[[], Forecast] = Forecast  # returns what its training will take; computing that takes a while
    # steps like its own, which can be made and timed; None where it takes none, or nobody knows which
    steps: TimedSteps | None = None


@dataclass
class Site:
    """Where a piece is done."""

    workspace: Workspace  # has the results of earlier pieces, and takes those of this one
    listener: Listener  # hears how it goes
    # what one piece keeps in memory for the next one, under a key of its own; one thing at most
    in_memory: dict[str, Any] = field(default_factory=dict)


class Piece(Protocol):
    """The smallest work that is claimed: frozen, and possible to pickle.

    Attributes:
        key: SHA-256 of everything that determines its results; done once under it, it is done in every experiment.
        needs: keys of the pieces that have to be done before.
        coordinates: which piece of its experiment it is (label, seed, …), for the record: values that JSON has.
        label: what to call it on a screen.
        effort: what it will take.
        alone: whether it measures time, so that nothing else may run beside it.
    """

    @property
    def key(self) -> str: ...  # noqa: D102 - above
    @property
    def needs(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def coordinates(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def effort(self) -> Effort: ...  # noqa: D102
    @property
    def alone(self) -> bool: ...  # noqa: D102

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether its results are there; raises IntegrityError for a damaged one that is not mended."""

    def work(self, site: Site) -> None:
        """Do it, and write to the workspace whatever a report needs of it."""
