"""What the files in ``docs/results`` hold, and how it is written on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED, Difference, side
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.wording import (
    DASH,
    bounds,
    count,
    margin,
    megabytes,
    number,
    probability,
    seconds,
    share,
)
from adapter_workbench.workbench.measures.statistics import Interval, paired_t_test
from adapter_workbench.workbench.measures.statistics import interval as over_seeds
from adapter_workbench.workbench.measures.verdicts import LEVEL

FOLDER = Path(__file__).parents[1] / "results"


def read(name: str) -> Any:
    """Return the document in ``docs/results/NAME.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def interval(value: Mapping[str, Any]) -> Interval:
    """Return ``{mean, low, high}`` as an interval."""
    return Interval(value["mean"], value["low"], value["high"])


def score(value: Mapping[str, Any], signed: bool = False) -> str:
    """Return ``93.6 ±1.2``."""
    return f"{number(value['mean'], signed)} {margin(interval(value))}".rstrip()


def mean(value: Mapping[str, Any]) -> str:
    """Return ``93.6``."""
    return number(value["mean"])


def limits(value: Mapping[str, Any], sign: int = 1) -> str:
    """Return ``[−1.2, 3.4]``."""
    return bounds(interval(value), sign)


def with_limits(value: Mapping[str, Any]) -> str:
    """Return ``93.6 [92.4, 94.8]``."""
    return f"{mean(value)} {limits(value)}".rstrip()


def signed(value: Mapping[str, Any]) -> str:
    """Return ``+2.2``."""
    return number(value["mean"], signed=True)


def gap(value: Mapping[str, Any]) -> str:
    """Return ``+9.6 [8.5, 10.7]``."""
    return f"{number(value['mean'], signed=True)} {limits(value)}".rstrip()


def over_examples(difference: Mapping[str, Any]) -> str:
    """Return ``+9.6 [8.5, 10.7]`` with the interval over test examples; rounding gives one number for one mean."""
    return f"{signed(difference)} {limits(difference['bootstrap'])}"


def whole(value: float) -> str:
    """Return a share in whole percent, without the sign: ``93``."""
    return decimals(100 * value, 0)


def decimals(value: float, digits: int) -> str:
    """Return a number with so many digits and a minus of its own: ``−0.15``."""
    return f"{value:.{digits}f}".replace("-", "−")


def compared(contestant: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a contestant's difference over examples and its reading, its limits, and p; empty without a control."""
    if not contestant["against"]:
        return "", "", ""
    difference = contestant["gain"]
    p = "" if difference["p_holm"] is None else probability(difference["p_holm"]).removeprefix("p = ")
    return f"{over_examples(difference)} {MARKS[reading(difference)]}", limits(difference), p


def rate(value: float) -> str:
    """Return a learning rate: ``5e-4``, ``0.001``."""
    return f"{value:.0e}".replace("e-0", "e-") if value < 0.001 else f"{value:g}"


def times(ratio: float) -> str:
    """Return ``12.8×``, ``2,720×``."""
    return f"{ratio:,.0f}×" if ratio >= 20 or ratio == int(ratio) else f"{ratio:.1f}×"


def mean_validation(fits: Iterable[Mapping[str, Any]]) -> dict[float, float]:
    """Return learning rate → mean validation score of the fits at that rate; the smallest rate first."""
    scores: dict[float, list[float]] = {}
    for fit in fits:
        scores.setdefault(fit["learning_rate"], []).append(fit["validation"])
    return {rate: fmean(scores[rate]) for rate in sorted(scores)}


def declared(document: Mapping[str, Any], metric: str = "average_accuracy") -> dict[str, Difference]:
    """Return each strategy − the reference, by label, adjusted for all of them: what a stream's recipe asks."""
    compared = {name: strategy["comparison"] for name, strategy in document["strategies"].items()}
    return in_family({name: difference(entry[metric]) for name, entry in compared.items() if entry})


def explored(document: Mapping[str, Any], metric: str = "average_accuracy") -> dict[str, Difference]:
    """Return every other pair of strategies as ``first − second``, adjusted for all of them: what no recipe asks."""
    asked = document["reference"]
    pairs = {(entry["first"], entry["second"]): entry[metric] for entry in document["pairs"]}
    return in_family(
        {
            f"{first} − {second}": difference(entry)
            for (first, second), entry in pairs.items()
            if asked not in (first, second)
        }
    )


@dataclass(frozen=True)
class ReadTwice(Difference):
    """A difference in a file from before one variance was made of seeds and examples: there, two tests had to agree."""

    @property
    def reading(self) -> str:
        """What the adjusted test over seeds and the interval over test examples both say, else undecided."""
        words = {*self.by_test.values()}
        return words.pop() if len(words) == 1 else UNDECIDED

    @property
    def by_test(self) -> dict[str, str]:
        """What each of the two says by itself, of those that could be made."""
        told = {} if self.chance is None else {"seeds": self.chance < LEVEL}
        if self.examples and self.examples.holds_zero is not None:
            told["examples"] = not self.examples.holds_zero
        return {test: side(self.seeds) if apart else UNDECIDED for test, apart in told.items()}


def difference(entry: Mapping[str, Any]) -> ReadTwice:
    """Return a difference as its file has it: the values of the seeds, and the interval over examples."""
    examples = interval(entry["bootstrap"]) if entry.get("bootstrap") else None
    return ReadTwice(over_seeds(entry["values"]), examples, paired_t_test(entry["values"]))


def reading(entry: Mapping[str, Any]) -> str:
    """Return what a file says of a difference; files of earlier versions have another word for undecided."""
    word: str = entry["reading"]
    return UNDECIDED if word == "not distinguishable" else word


def p(value: Difference) -> str:
    """Return ``p = 0.025``, adjusted."""
    return probability(value.adjusted)


def range_of_p(values: Iterable[Difference]) -> str:
    """Return ``p from 0.016 to 0.046``, adjusted."""
    chances = [value.adjusted for value in values if value.adjusted is not None]
    return f"p from {min(chances):.3f} to {max(chances):.3f}"


def pair(document: Mapping[str, Any], first: str, second: str, metric: str = "average_accuracy") -> dict[str, Any]:
    """Return ``first`` − ``second`` in a metric with the bounds of this pair alone, however it stands in the file."""
    for entry in document["pairs"]:
        value = entry[metric]
        if (entry["first"], entry["second"]) == (first, second):
            return dict(value)
        if (entry["first"], entry["second"]) == (second, first):
            values = [-gained for gained in value.get("values", [])]
            return {**negated(value), "values": values, "bootstrap": negated(value.get("bootstrap"))}
    raise ValueError(f"no pair {first!r} and {second!r}")


def above_better_rate(document: Mapping[str, Any], name: str, divisor: int = 4) -> float:
    """Return how much higher an entry ends than the reference at its better rate."""
    return float(document["strategies"][name]["metrics"]["average_accuracy"]["mean"]) - better_end(document, divisor)


def better_end(document: Mapping[str, Any], divisor: int = 4) -> float:
    """Return where the reference ends at its better rate: the one in the table, divided by ``divisor``."""
    require([*document["frontier"]] == [document["reference"]], "of the others no second rate was tried")
    points = document["frontier"][document["reference"]]
    best = max(points, key=lambda point: point["average_accuracy"]["mean"])
    chosen = next(point for point in points if point["chosen"])
    require(best["learning_rate"] * divisor == chosen["learning_rate"], f"its rate divided by {divisor}")
    return float(best["average_accuracy"]["mean"])


def times_as_long(document: Mapping[str, Any], name: str, measure: str = "train_seconds") -> str:
    """Return how many times as long as the reference an entry trains, or in another cost: ``1.9``."""
    own, reference = (document["strategies"][of]["cost"][measure] for of in (name, document["reference"]))
    return decimals(own / reference, 1)


def more_processor_time(load: Mapping[str, Any], drawn: Iterable[str]) -> str:
    """Return ``5 to 10``: percent that a text takes longer if its LoRA is drawn in these ways, than with one LoRA."""
    ratios = sorted(load[way]["cpu_ms_per_text"] / load["one"]["cpu_ms_per_text"] for way in drawn)
    return f"{whole(ratios[0] - 1)} to {whole(ratios[-1] - 1)}"


def negated(difference: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the bounds and the mean of the difference the other way round; nothing of nothing."""
    if difference is None:
        return {}
    return {"mean": -difference["mean"], "low": -difference["high"], "high": -difference["low"]}


def apart(differences: Mapping[str, Difference]) -> list[str]:
    """Return the labels of the differences that are told apart."""
    return [label for label, value in differences.items() if value.reading in ("higher", "lower")]


def told_apart(value: Mapping[str, Any]) -> bool:
    """Return whether an interval of differences says that there is one: what a sentence that claims it asks."""
    return interval(value).holds_zero is False


def require(claim: bool, words: str) -> str:
    """Return ``words``; they are no longer true of the file where ``claim`` is not.

    Raises:
        ValueError: the file does not bear the words out.
    """
    if not claim:
        raise ValueError(f"the file does not bear out: {words}")
    return words


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def joined(parts: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


__all__ = [
    "DASH",
    "above_better_rate",
    "apart",
    "better_end",
    "count",
    "decimals",
    "declared",
    "explored",
    "gap",
    "interval",
    "joined",
    "limits",
    "mean",
    "mean_validation",
    "megabytes",
    "more_processor_time",
    "number",
    "over_examples",
    "p",
    "pair",
    "probability",
    "range_of_p",
    "rate",
    "read",
    "reading",
    "require",
    "row",
    "score",
    "seconds",
    "share",
    "signed",
    "times",
    "times_as_long",
    "told_apart",
    "whole",
    "with_limits",
]
