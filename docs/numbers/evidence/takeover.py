"""The numbers of docs/evidence/takeover.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import decimals, read, require, row

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN

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
    "the champion right on 80 % of rows, 10 % of the answers differ",
]


def pieces() -> Iterator[str]:
    """Yield the rates, and what is said of them."""
    document = read("takeover-rates")
    settings, rates = document["settings"], document["rates"]
    require(settings["margin"] == MARGIN and settings["accuracy"] == 0.8 and settings["changed"] == 0.1, "as stated")
    for title, name in CASES.items():
        yield row(title, *(_cell(rates[name][size]) for size in SIZES))
    none, two = rates["0 points"], rates["2 points"]
    yield f"({_percent(none['50'], 'shown')} % pass it with 50 rows, {_percent(none['500'], 'shown')} % with 500)"
    require(0.35 < two["50"]["passes"] < 0.45 and 0.12 < rates["5 points"]["50"]["passes"] < 0.16, "two of five, …")
    require(rates["5 points"]["200"]["passes"] < 0.005, "hardly any")
    one = rates["one label"]["100"]
    yield f"{_percent(one, 'on_validation')} % of the candidates with one worse label would pass with 100 rows"
    flattered = [of["flattered"] for of in none.values()]
    yield f"{decimals(min(flattered), 1)} to {decimals(max(flattered), 1)} points if nothing is lost"
    yield f"it is {decimals(two['200']['flattered'], 1)} points with 200 rows"


def _cell(rate: dict[str, Any]) -> str:
    return f"{_percent(rate)} ({_percent(rate, 'before')})"


def _percent(rate: dict[str, Any], name: str = "passes") -> str:
    return decimals(100 * rate[name], 0 if rate[name] >= 0.1 else 1)
