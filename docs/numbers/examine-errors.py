"""The numbers of docs/examine-errors.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from measured import decimals, joined, number, read, require, row, whole

from adapter_workbench.experiments.requests.examine import ROWS as DEFAULT
from adapter_workbench.experiments.studies.stream.plan.examination import OF_ENCODERS
from adapter_workbench.workbench.measures.verdicts import LEVEL

STATED: list[str] = [
    "a category whose score falls by more than 0.10, of at most 20 prompts",
    "a part that falls by more than 0.05, of 38 prompts in the mean",
    "by more than 10 % of what it was",
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
    trained = settings["trained_on"]
    yield f"**{seeds} trainings** of MiniLM that differ in the seed alone"
    yield f"{trained['examples']} texts of `{trained['task']}`"
    yield f"{joined([number_of(size) for size in settings['noise']])} × its own standard deviation"
    yield f"Holm over the five tasks, {LEVEL}"
    yield f"This is what the test promises to hold below {100 * LEVEL:g} %"
    yield f"where Holm asks most: p below {LEVEL / len(OF_ENCODERS):g}"
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
    said = [f"{percent(entry['any'])} % of examinations with {entry['rows']:,} rows" for entry in exchanged]
    yield f"With exchanged answers any verdict, lost or gained, is false. There was one in {joined(said)}"
    seeds = next(entry for entry in entries if entry["kind"] == "seeds" and entry["rows"] == 400)
    beside = next(entry for entry in exchanged if entry["rows"] == 400)
    yield require(abs(seeds["any"] - beside["any"]) < 0.02, "the two kinds of pairs have nearly the same rates")
    yield f"Of the {seeds['pairs']} pairs with 400 rows, {percent(seeds['any'])} % had a verdict, lost or gained"


def rules(document: Entry) -> Iterator[str]:
    """Yield the false alarms of the rules beside what they find, and those of the paired test."""
    names = [*document["settings"]["rules"]]
    false = {entry["rows"]: entry for entry in document["false_alarms"] if entry["kind"] == "exchanged"}
    five = {entry["rows"]: entry for entry in document["detection"] if entry["points"] == 5}
    said = "; ".join(f"{percent(false[400][name])} % and {whole(five[400][name])} %" for name in names)
    yield f"Alarms where no task is lost, and losses of 5 points that are found, in the order of the columns: {said}."
    at = (
        f"{percent(false[rows]['lost'])} % and {whole(five[rows]['alone'])} % with {rows} rows" for rows in (400, 800)
    )
    yield f"The paired test has {', '.join(at)}."


def percent(share: float) -> str:
    """Return a share in percent with one decimal, without the sign."""
    return decimals(100 * share, 1)


def apart(by_task: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield how far two trainings differ in truth."""
    for task, values in by_task.items():
        yield row(f"`{task}`", percent(values["disagreed"]), percent(values["deviation"]))
    yield f"at most {percent(max(values['deviation'] for values in by_task.values()))} points on any task"


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
    yield "six are of noise and one is of the middle layer times 2"
    bins = document["settings"]["bins"].values()
    many = [of for of in document["populations"] if of["rows"] >= 400]
    shown = [of["model"] for of in many if any(low <= of["loss"] <= high for low, high in bins)]
    require(not any(model.startswith("against") for model in shown), "none is of a training")
    yield "No case with 400 rows or more is of a training"
    half = next(entry["alone"] for entry in document["detection"] if (entry["points"], entry["rows"]) == (2, 1600))
    yield require(0.4 < half < 0.6, "1,600 find about half of them")
