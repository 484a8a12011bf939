"""The numbers of docs/evidence/declared-tests.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from measured import decimals, number, read, require, row

STATED = [
    "another test split moves each row by 0.5 points",
    "errs more often than 5 %",
    # settings of the simulation and of the tests
    "the standard deviation of the logarithm is 0.3 or 0.7",
    "half of the rows 0.3 points, the others 1",
    "F test below 5 % ÷ rows",
    "Bartlett's test is below 10 %",
    "0.003 after three seeds, 0.012 after five and 0.040 after eight",
    "0.019 each",
    "share the level of 0.05 equally",
    "errs in 6 to 12 % of cases",
    "step ÷ √12",
    'at most 5 % of families have a false "higher" or "lower", and at most 5 % a false "equal"',
]
SEEDS = (3, 5, 8)
CHOICES = ("paired", "block design", "spreads checked", "as declared", "moderated differences", "moderated rows")
SPREADS = {
    "equal": "equal",
    "mild": "mild",
    "strong": "strong",
    "one row 2": "one row 2 points, the others 1",
    "one row 5": "one row 5 points, the others 1",
    "reference 2": "the reference 2 points, the others 1",
    "reference 5": "the reference 5 points, the others 1",
    "half 0.3": "half of the rows 0.3 points, the others 1",
}
Rates = Mapping[str, Any]


def pieces() -> Iterator[str]:
    """Yield the tables, and the sentences about them."""
    document = read("declared-tests")
    yield from declared(document["declared"])
    yield from choice(document["unequal_spreads"])
    yield from tasks(document["unequal_tasks"])
    yield from orders(document["orders"])
    yield from both(document["both_agree"])
    yield from shared(document["texts_shared"])
    yield from equal(document["equal_differences"])
    yield from looks(document["looks"], document["designs"])


def declared(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each test and number of rows, and what is said of them."""
    for test in dict.fromkeys(entry["test"] for entry in entries):
        for rows in (2, 12):
            own = [entry for entry in entries if (entry["test"], entry["rows"]) == (test, rows)]
            require([entry["seeds"] for entry in own] == list(SEEDS), "3, 5 and 8 seeds")
            keys = ("type_1", "family", "power", "power_all", "equal_type_1", "equal_power")
            yield row(test, str(rows), *(by_seeds(own, key) for key in keys))
    errors = [entry[key] for entry in entries for key in ("type_1", "family", "equal_type_1")]
    require(max(errors) <= 0.055, "no rate of error is above 5.5 %")
    yield f"The highest rate of error in this table is {number(max(errors))} %."
    paired, pooled = (
        next(entry for entry in entries if (entry["test"], entry["rows"], entry["seeds"]) == (test, 12, 3))
        for test in ("paired", "pooled")
    )
    found = f"{decimals(paired['power'], 2)} by the paired test and of {decimals(pooled['power'], 2)} by the pooled one"
    yield f"With 12 rows and three seeds, a difference of 3 points is found with a chance of {found}."


def choice(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each scene with three seeds, the power, the checked design with more seeds, and the reasons."""
    known = {(entry["spreads"], entry["choice"], entry["seeds"]): entry for entry in entries}
    for name, words in SPREADS.items():
        yield row(words, *(rates(known[name, choice, 3], "type_1", "worst_row") for choice in CHOICES))
    yield row("power, equal spreads", *(number(known["equal", choice, 3]["power"]) for choice in CHOICES))
    checked = "as declared"
    for name, words in SPREADS.items():
        yield row(words, *(rates(known[name, checked, seeds], "type_1", "worst_row") for seeds in SEEDS))
    moderated = [known["equal", choice, 3]["type_1"] for choice in CHOICES[4:]]
    errors = [entry["type_1"] for entry in entries if entry["choice"] == checked]
    yield f"As declared, no scene has more than {number(max(errors))} %"
    require(min(moderated) > 0.055 >= known["equal", checked, 3]["type_1"], "only the block design holds its level")
    yield f"moderated variances err in {number(moderated[0])} and {number(moderated[1])} % of comparisons"


def tasks(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each scene of tasks."""
    for name in dict.fromkeys(entry["spreads"] for entry in entries):
        own = [entry for entry in entries if entry["spreads"] == name]
        yield row(name, *(by_seeds(own, key) for key in ("with_all_degrees", "unchecked", "type_1")))


def orders(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each size of what an order does."""
    for entry in entries:
        keys = ("crossed_as_independent", "mean_of_orders", "new_order_a_seed")
        yield row(decimals(entry["order_effect"], 1), *(number(entry[key]) for key in keys))
    require(entries[-1]["mean_of_orders"] > 0.1 > 0.055 > entries[-1]["new_order_a_seed"], "only a new order a seed")


def both(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each number of seeds."""
    for entry in entries:
        keys = ("over_seeds", "over_examples", "both", "summed")
        yield row(str(entry["seeds"]), *(number(entry[key]) for key in keys))
    low, high = min(entry["both"] for entry in entries), max(entry["both"] for entry in entries)
    yield f"Two tests that must agree err in {number(low)} to {number(high)} % of cases"


def shared(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each number of texts."""
    for texts in dict.fromkeys(entry["texts"] for entry in entries):
        own = [entry for entry in entries if entry["texts"] == texts]
        yield row(str(texts), by_seeds(own, "by_example"), by_seeds(own, "by_text"))


def equal(entries: list[Rates]) -> Iterator[str]:
    """Yield a row for each number of uncertain examples and of seeds."""
    for entry in entries:
        keys = ("equal", "without_floor", "with_floor")
        yield row(str(entry["uncertain"]), str(entry["seeds"]), *(number(entry[key]) for key in keys))
    require(max(entry["with_floor"] for entry in entries) <= 0.055, "with the floor no rate is above 5.5 %")


def looks(entries: list[Rates], designs: list[Rates]) -> Iterator[str]:
    """Yield a row for each rule and test, and what whole designs do."""
    for entry in entries:
        yield row(
            entry["test"],
            entry["rule"],
            *(number(entry[key]) for key in ("type_1", "family", "equal_type_1")),
            *(f"{number(entry[f'power_{size}'])}, {decimals(entry[f'seeds_{size}'], 1)}" for size in (2, 3)),
            f"{number(entry['equal_power'])}, {decimals(entry['equal_seeds'], 1)}",
        )
    rising = [entry for entry in entries if entry["rule"] == "rising"]
    require(max(entry[key] for entry in rising for key in ("type_1", "family", "equal_type_1")) <= 0.055, "they hold")
    none, one = designs
    require(max(none["family"], one["family"]) <= 0.055, "whole designs hold the level")
    yield f"Of whole pooled designs without any difference, {number(none['family'])} % have a false"
    yield f"one row that differs by 3 points is found in {number(one['found'])} %"


def by_seeds(entries: Iterable[Rates], key: str) -> str:
    """Return ``5.0 / 4.9 / 5.1``: a rate in percent with 3, 5 and 8 seeds."""
    return " / ".join(number(entry[key]) for entry in entries)


def rates(entry: Rates, *keys: str) -> str:
    """Return ``5.0 / 9.2``: rates in percent."""
    return " / ".join(number(entry[key]) for key in keys)
