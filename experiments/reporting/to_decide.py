"""What it would take to decide a comparison that is undecided, and how that is said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.reporting.wording import seconds as in_time
from adapter_workbench.workbench.measures.looks import POWER
from adapter_workbench.workbench.measures.statistics import MOST_SEEDS


@dataclass(frozen=True)
class ToDecide:
    """What decides a comparison with a probability of 0.8, going by what was measured so far."""

    seeds: int | None  # how many, those included that there are; None where no number up to 1,000 does
    hours: float | None = None  # that the further seeds of both entries take; None where their times are not known

    def as_json(self) -> dict[str, Any]:
        """Return ``{seeds, hours}``."""
        return asdict(self)

    def further(self, seeds: int) -> str:
        """Return ``9 seeds (6 more: about 1 h 12 min)``, where there are so many ``seeds``."""
        if self.seeds is None:
            return f"more than {MOST_SEEDS:,} seeds"
        time = "" if self.hours is None else f": about {in_time(3600 * self.hours)}"
        return f"{plural(self.seeds, 'seed')} ({self.seeds - seeds} more{time})"


def to_decide_in_words(needed: ToDecide | None, seeds: int, what: str = "this") -> str:
    """Return the sentence that says what would decide ``what``, undecided with so many ``seeds``."""
    if seeds < 2:
        return f"With fewer than two seeds it cannot be told how many would decide {what}."
    if needed is None:
        return f"All differences are equal, so it cannot be told how many seeds would decide {what}."
    if needed.seeds is None:
        return f"No number of seeds up to {MOST_SEEDS:,} would decide {what} with a probability of {POWER}."
    return f"{needed.further(seeds)} would decide {what} with a probability of {POWER}."
