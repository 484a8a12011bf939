"""The numbers of docs/becoming-champion.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from measured import decimals, read, require, row

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.takeover import ENOUGH, ONE_SIDED

CASES = {
    "loses nothing": "0 points",
    "loses 1 point": "1 points",
    "loses 2 points": "2 points",
    "loses 5 points": "5 points",
    "loses 10 points": "10 points",
    "one label loses 20 points, the others gain as many": "one label",
    "loses 5 points, and there is a new label": "5 points, a new label",
}
SIZES = ("50", "100", "200", "500", "2000")
STATED = [
    "−11.32, at least 0.00 asked",  # of the session in the block, whose workspace was not kept
    "with 10 % changed, 2,000 rows have it",
    "the champion right on 80 % of rows, 10 % of the answers differ",
]


def pieces() -> Iterator[str]:
    """Yield the settings of the rule, and the rates."""
    document = read("takeover-rates")
    settings, rates = document["settings"], document["rates"]
    require(settings["margin"] == MARGIN and settings["accuracy"] == 0.8 and settings["changed"] == 0.1, "as stated")
    yield f"has to be above −{MARGIN:g} points"
    yield f"one-sided level {ONE_SIDED}"
    yield f"in less than {100 * ENOUGH:.0f} % of cases"
    for title, name in CASES.items():
        yield row(title, *(_cell(rates[name][size]) for size in SIZES))
    none, two = rates["0 points"], rates["2 points"]
    yield f"({_percent(none['50'], 'shown')} % pass it with 50 rows, {_percent(none['500'], 'shown')} % with 500)"
    yield require(none["2000"]["on_validation"] > ENOUGH, "2,000 rows have it") and "2,000 rows have it"
    require(0.35 < two["50"]["passes"] < 0.45 and 0.12 < rates["5 points"]["50"]["passes"] < 0.16, "two of five, …")
    require(rates["5 points"]["200"]["passes"] < 0.005, "hardly any")
    one = rates["one label"]["100"]
    without = f"Without point 3, {_percent(one, 'on_validation')} % of these would pass with 100 rows"
    yield f"{without}; with it, {_percent(one)} %"
    least = min(of["before"] for of in rates["5 points, a new label"].values())
    yield f"At least {math.floor(1000 * least) / 10} % of the candidates that lost 5 points passed it"
    flattered = [of["flattered"] for of in none.values()]
    yield f"{decimals(min(flattered), 1)} to {decimals(max(flattered), 1)} points better on test rows"
    yield f"it is {decimals(two['200']['flattered'], 1)} points with 200 rows"


def _cell(rate: dict[str, Any]) -> str:
    return f"{_percent(rate)} ({_percent(rate, 'before')})"


def _percent(rate: dict[str, Any], name: str = "passes") -> str:
    return decimals(100 * rate[name], 0 if rate[name] >= 0.1 else 1)
