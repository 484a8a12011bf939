"""Equal tuning of a stream's entries: each tries equally many learning rates on single tasks before any stream begins.

The tasks are the first of the stream, as in Chaudhry et al. (2019, A-GEM, section 5), who choose on the first three.
Theirs take no part in the stream that is measured, and ours do: their validation splits choose one rate for the whole
stream, their test splits nothing. What a rate does to forgetting is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.core.tune import ATTEMPTS, LearningRateTrial, choose, over_tasks
from adapter_workbench.experiments.studies.core.widening import is_enclosed
from adapter_workbench.workbench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter_workbench.experiments.studies.stream.plan.entry import Tried
    from adapter_workbench.experiments.workspace import Workspace


@dataclass(frozen=True)
class Tuning:
    """What came of the learning rates that an entry tried: each over all tasks, the entry's own rate first."""

    attempts: tuple[LearningRateTrial, ...]
    chosen: float  # the learning rate that was taken
    rung: int = 0  # which of an entry's learning rates it is, those beyond the edge that were not needed counted too

    @property
    def is_enclosed(self) -> bool:
        """Whether the chosen rate stands between two that are worse."""
        return is_enclosed(self.attempts)

    def validation(self, learning_rate: float) -> float | None:
        """Return the mean validation score at a rate; None where the rate was not tried, or failed."""
        return {attempt.learning_rate: attempt.validation for attempt in self.attempts}.get(learning_rate)

    def as_json(self) -> dict[str, Any]:
        """Return ``{chosen, enclosed, tried: [{learning_rate, validation, log_likelihood, seconds}]}``."""
        tried = [attempt.as_json() for attempt in self.attempts]
        return {"chosen": self.chosen, "enclosed": self.is_enclosed, "tried": tried}


def tuning(tried: Sequence[Tried], workspace: Workspace) -> Tuning | None:
    """Return what came of ``tried``; None where that is nothing, or not all there yet.

    Raises:
        TrainingError: every learning rate failed.
        IntegrityError: an attempt is damaged, and the workspace does not mend damage.
    """
    if not tried:
        return None
    documents = ATTEMPTS.documents(workspace)
    attempts = []
    for candidate in tried:
        finished = [attempt for attempt in map(documents.get, candidate.attempts) if attempt is not None]
        if len(finished) < len(candidate.attempts):
            return None
        attempts.append(over_tasks(finished))
    chosen = choose(attempts)
    rung = [attempt.learning_rate for attempt in attempts].index(chosen)
    return Tuning(tuple(attempt for attempt in attempts if attempt.needed), chosen, rung)


def tuning_so_far(tried: Sequence[Tried], workspace: Workspace) -> Tuning | None:
    """Return what came of ``tried``; None too where every learning rate failed."""
    try:
        return tuning(tried, workspace)
    except TrainingError:
        return None


def require_attempts(tried: Iterable[Tried], workspace: Workspace) -> None:
    """Make sure that all attempts are there: without one a report would leave the strategy out, and say nothing.

    Raises:
        IntegrityError: one is damaged or missing.
    """
    documents = ATTEMPTS.documents(workspace)
    for attempt in dict.fromkeys(key for candidate in tried for key in candidate.attempts):
        documents.require(attempt)
