"""The numbers of docs/evidence/examine-errors.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from measured import decimals, joined, number, read, require, row, whole

from adapter_workbench.experiments.studies.stream.plan.examination import OF_ENCODERS
from adapter_workbench.experiments.studies.stream.plan.examination import ROWS as DEFAULT
from adapter_workbench.workbench.measures.verdicts import LEVEL

STATED: list[str] = [
    "by more than 0.10, of at most 20 prompts",
    "by more than 0.05, of 38 in the mean",
    "reads the first as 10 % of what it was",
    "| 20 rows, 0.10 | 20 rows, 10 % | 38 rows, 0.05 |",
]
KINDS = {"seeds": "two trainings, as they are", "exchanged": "two trainings, answers exchanged"}
Entry = Mapping[str, Any]


def pieces() -> Iterator[str]:
    """Yield the tables, and the sentences about them."""
    document = read("examine-errors")
    yield from asked(document)
    yield from alarms(document["false_alarms"], document["settings"])
    yield from apart(document["seeds_apart"])
    yield from found(document)
    yield from rules(document)
    yield from default(document)


def asked(document: Entry) -> Iterator[str]:
    """Yield which models were asked, and how they were damaged."""
    settings, scores = document["settings"], document["scores"]
    require(settings["tasks"] == [*OF_ENCODERS], "the tasks are those of the command")
    seeds = sum(name.startswith("seed") for name in scores)
    yield f"**{seeds} trainings** of it that differ in the seed alone, on `{settings['trained_on']['task']}`"
    yield f"{joined([number_of(size) for size in settings['noise']])} × its own standard deviation"
    yield f"Holm over the five tasks, {LEVEL}"
    yield f"the test has to hold {100 * LEVEL:g} %"
    yield f"times {joined([number_of(factor) for factor in settings['scales']])}"


def number_of(value: float) -> str:
    """Return a number as people write it: ``0.5``, ``2``."""
    return f"{value:g}"


def alarms(entries: Sequence[Entry], settings: Entry) -> Iterator[str]:
    """Yield a row for each kind of pair and number of rows, and what is said of them."""
    rules = [*settings["rules"]]
    for entry in entries:
        keys = ("lost", "beyond_bound", *rules)
        yield row(KINDS[entry["kind"]], f"{entry['rows']:,}", *(percent(entry[key]) for key in keys))
    exchanged = [entry for entry in entries if entry["kind"] == "exchanged"]
    require(all(entry["any"] <= LEVEL for entry in exchanged), "the level is held")
    rates = joined([percent(entry["any"]) for entry in exchanged])
    sizes = joined([f"{entry['rows']:,}" for entry in exchanged])
    yield f"there was a verdict, lost or gained, in {rates} % of examinations with {sizes} rows"


def rules(document: Entry) -> Iterator[str]:
    """Yield the false alarms of the rules, and those of the paired test."""
    false = {entry["rows"]: entry for entry in document["false_alarms"] if entry["kind"] == "exchanged"}
    alarmed = joined([percent(false[400][name]) for name in document["settings"]["rules"]])
    by_test = f"in {percent(false[DEFAULT]['lost'])} % by the paired test with {DEFAULT} rows"
    yield f"in {alarmed} % of examinations by these rules, and {by_test}"


def percent(share: float) -> str:
    """Return a share in percent with one decimal, without the sign."""
    return decimals(100 * share, 1)


def apart(by_task: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield how far two trainings differ in truth."""
    for task, values in by_task.items():
        yield row(f"`{task}`", percent(values["disagreed"]), percent(values["deviation"]))
    most = max(values["deviation"] for values in by_task.values())
    yield f"differ in truth by at most {percent(most)} points on any task"


def found(document: Entry) -> Iterator[str]:
    """Yield a row for each size of loss and number of rows, and one for the rules."""
    rules = [*document["settings"]["rules"]]
    entries = document["detection"]
    for entry in entries:
        yield row(
            str(entry["points"]),
            f"{entry['rows']:,}",
            str(entry["populations"]),
            whole(entry["alone"]),
            f"{whole(entry['least'])} to {whole(entry['most'])}",
            whole(entry["together"]),
        )
    for entry in (entry for entry in entries if entry["rows"] == 400):
        yield row(str(entry["points"]), *(whole(entry[name]) for name in rules))
    low_high = [f"{number(low)} to {number(high)}" for low, high in document["settings"]["bins"].values()]
    yield f"true losses of {joined(low_high)} points"


def default(document: Entry) -> Iterator[str]:
    """Yield why the command takes so many rows."""
    rows = document["rows_that_find"]["5"]
    require(rows == DEFAULT, f"the default is {DEFAULT}")
    entries = {entry["rows"]: entry for entry in document["detection"] if entry["points"] == 5}
    finds = f"{whole(entries[rows]['alone'])} %, against {whole(entries[400]['alone'])} % with 400"
    yield f"a loss of 5 points in four of five examinations, in the mean over cases ({finds})"
    yield from behind_the_mean(document, entries[rows])


def behind_the_mean(document: Entry, mean: Entry) -> Iterator[str]:
    """Yield from which cases the mean comes that chose the default number of rows."""
    low, high = document["settings"]["bins"]["5"]
    within = [of for of in document["populations"] if of["rows"] == mean["rows"] and low <= of["loss"] <= high]
    models = sorted(of["model"] for of in within)
    require(len(within) == mean["populations"] == 7, "seven cases")
    require([*models][-1] == "scaled-2.0" and all("noise" in model for model in models[:-1]), "six of noise")
    yield f"The seven cases behind this mean range from {whole(mean['least'])} to {whole(mean['most'])} %"
    yield "Six of them are noise"
    bins = document["settings"]["bins"].values()
    many = [of for of in document["populations"] if of["rows"] >= 400]
    shown = [of["model"] for of in many if any(low <= of["loss"] <= high for low, high in bins)]
    require(not any(model.startswith("against") for model in shown), "none is of a training")
    yield "no case with 400 rows or more is a training"
    half = next(entry["alone"] for entry in document["detection"] if (entry["points"], entry["rows"]) == (2, 1600))
    yield require(0.4 < half < 0.6, "1,600 rows find about half")
