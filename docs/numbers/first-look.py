"""The numbers of docs/first-look.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from measured import gap, mean, number, probability, read, reading, require, row, with_limits

from experiments.engine.recipes import RECIPES
from workbench.settings.base import read as read_recipe

STATED = [  # kept in no file: the first looks before, and designs that were tried for the second one
    "8.4 points [1.0, 15.8] on one processor, 6.4 [−3.2, 16.0] on another, 11.9 [−5.2, 28.9] on a third",
    "| 4 | 64 | 60 | 16 | 32 | 7 | 6.2 | 4.0 | 1.6 |",
    "| 6 | 64 | 60 | 16 | 32 | 6 | 5.8 | 3.3 | 1.8 |",
    "| 8 | 64 | 60 | 16 | 32 | 6 | 10.4 | 3.4 | 3.1 |",
    "| 8 | 64 | 60 | 8 | 32 | 3 | 12.3 | 5.4 | 2.3 |",
    "| 8 | 48 | 80 | 16 | 32 | 6 | 9.3 | 1.9 | 4.9 |",
    "| 10 | 48 | 80 | 16 | 32 | 6 | 7.6 | 4.5 | 1.7 |",
    "| 8 | 48 | 80 | 16 | 24 | 7 | 8.0 | 2.6 | 3.1 |",
    "| 8 | 64 | 80 | 16 | 24 | 6 | 9.2 | 2.6 | 3.5 |",
    "a head alone ended at 76.2 %, the LoRAs at 73.6 %",
    "+2.6 [0.7, 4.5]",
]
LORA, HEAD, FULL = "lora-isolated", "head-isolated", "full-sequential"
SEEDS = (10, 11, 12, 13, 14)  # of all that was chosen
HOW = {"": "the machine's own", "avx2": "AVX2"}


def pieces() -> Iterator[str]:
    """Yield how the first look was chosen, what it shows, and the twenty roundings of the one before."""
    designs = read("first-look-designs")
    yield from screened(designs["screen"])
    yield from tried(designs)
    yield from at_rates(designs["rates"])
    yield from shown(read("quickstart"), designs)
    yield from rounded(read("first-look")["runs"])


def screened(screen: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each task that was screened, the largest gain first."""
    lora, head = screen["scores"][LORA], screen["scores"][HEAD]
    gains = {task: fmean(lora[task]) - fmean(head[task]) for task in lora}
    for task in sorted(gains, key=lambda name: -gains[name]):
        ends = (number(fmean(scores[task])) for scores in (lora, head))
        yield row(f"`{task}`", *ends, number(gains[task], signed=True))
    yield f"{len(gains)} tasks"


def tried(document: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each design, and that the one that was taken is the cheapest that qualifies."""
    designs = document["designs"]
    for name, design in designs.items():
        require(tuple(design["seeds"]) == SEEDS, "the seeds of designs")
        lora, head = design["comparisons"][LORA], design["comparisons"][HEAD]
        yield row(
            name,
            with_limits(design["metrics"][FULL]["forgetting"]),
            f"{gap(lora['average_accuracy'])}, {probability(lora['average_accuracy']['p_holm'])}",
            f"{gap(head['average_accuracy'])}, {probability(head['average_accuracy']['p_holm'])}",
            f"{100 * max(design['gains'].values()) / sum(design['gains'].values()):.0f} %",
            f"{design['processor_seconds']:.0f} s",
        )
    good = {name: design["processor_seconds"] for name, design in designs.items() if design["qualifies"]}
    require(document["taken"] == min(good, key=lambda name: good[name]), "the cheapest that qualifies was taken")


def at_rates(rates: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each learning rate of each entry of the design that was taken."""
    for label, points in rates.items():
        for point in sorted(points, key=lambda point: point["learning_rate"]):
            yield row(
                f"`{label}`",
                f"{point['learning_rate']:g}",
                with_limits(point["average_accuracy"]),
                mean(point["learning_accuracy"]),
                mean(point["forgetting"]),
            )


def shown(report: dict[str, Any], designs: dict[str, Any]) -> Iterator[str]:
    """Yield what the recipe's own seeds show, none of which chose anything."""
    recipe, design = read_recipe(RECIPES.path("quickstart")).data, designs["designs"][designs["taken"]]
    require(not {*report["seeds"]} & {*SEEDS}, "no seed that is shown was looked at before")
    require(report["tasks"] == recipe["tasks"] == design["tasks"], "the tasks that are shown are those of the design")
    require(report["complete"] and report["seeds"] == recipe["seeds"], "the recipe as it is shipped")
    rows = report["strategies"]
    lora, head = rows[LORA]["comparison"], rows[HEAD]["comparison"]
    require(reading(lora["average_accuracy"]) == "higher", "LoRAs are above full fine-tuning")
    require(reading(head["average_accuracy"]) == "lower", "heads are below LoRAs")
    require(reading(lora["forgetting"]) == "lower", "full fine-tuning forgets")
    for value in (lora["average_accuracy"], head["average_accuracy"]):
        yield f"{gap(value)} points, {probability(value['p_holm'])}"
    yield f"forgot {with_limits(rows[FULL]['metrics']['forgetting'])} points"


def rounded(runs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of the twenty roundings of the first look before this one."""
    require(len(runs) == 20, "twenty runs")
    require(all(run["p"] < 0.05 for run in runs), "all decided")
    for run in runs:
        yield table_row(run)


def table_row(run: dict[str, Any]) -> str:
    """Return a run's row of the table."""
    bits = "as they are" if run["bits"] is None else f"drawn, seed {run['bits']}"
    forgotten = with_limits(run["scores"][FULL]["forgetting"])
    return row(run["precision"], HOW[run["instructions"]], bits, forgotten, probability(run["p"]))
