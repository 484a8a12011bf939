"""What is said of seeds that collapsed, before any p, and of the worst seed, beside the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.replications import seed_means
from adapter_workbench.experiments.reporting.wording import number, some
from adapter_workbench.workbench.measures.collapse import collapsed_seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.workbench.measures.statistics import Interval

    SeedScores = Mapping[str, tuple[Sequence[float | None], Sequence[int]]]  # label → a score and a seed by replication

MOST_NAMED = 6  # entries
NUMBERS = ("", "one", "two", "three", "four")


def worst_seed(value: Interval, better: str = "higher") -> str:
    """Return ``worst 49.5``, of the replication that is furthest on the bad side; nothing where there is only one."""
    known = [score for score in value.values if score is not None]
    if len(known) < 2:
        return ""
    return f"worst {number(min(known) if better == 'higher' else max(known))}"


def collapsed(scores: SeedScores) -> dict[str, tuple[int, ...]]:
    """Return label → the seeds that collapsed, for the entries that have any; a seed is the mean over its orders."""
    found = {
        label: collapsed_seeds(seed_means(values, seeds), [*dict.fromkeys(seeds)])
        for label, (values, seeds) in scores.items()
    }
    return {label: seeds for label, seeds in found.items() if seeds}


def collapses_in_words(scores: SeedScores) -> Iterator[str]:
    """Yield a line of the entries of which seeds collapsed; nothing where none did."""
    found = collapsed(scores)
    if not found:
        return
    told = [_of_entry(label, seeds, *scores[label]) for label, seeds in found.items()]
    whose = "its verdicts speak" if len(told) == 1 else "their verdicts speak"
    yield f"Collapsed: {some(told, MOST_NAMED)}; {whose} of the mean, and no test of a mean allows for collapses."


def _of_entry(label: str, seeds: tuple[int, ...], values: Sequence[float | None], of_seeds: Sequence[int]) -> str:
    """Return ``one of 5 seeds of a (49.5, the others 68.9 to 77.9)``."""
    by_seed = dict(zip(dict.fromkeys(of_seeds), seed_means(values, of_seeds), strict=True))
    low = ", ".join(number(by_seed[seed]) for seed in seeds)
    others = [value for seed, value in by_seed.items() if seed not in seeds and value is not None]
    count = NUMBERS[len(seeds)] if len(seeds) < len(NUMBERS) else f"{len(seeds)}"
    whole = len(others) + len(seeds)
    return f"{count} of {whole} seeds of {label} ({low}; the others {number(min(others))} to {number(max(others))})"
