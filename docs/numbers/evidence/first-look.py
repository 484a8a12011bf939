"""The numbers of docs/evidence/first-look.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from measured import gap, joined, mean, number, probability, rate, read, reading, require, row, with_limits

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.workbench.settings.base import read as read_recipe

STATED = [  # kept in no file: what a referee measured, runs of 2026-12-02, and the rule
    "a head alone was +2.6 [0.7, 4.5] points above the LoRAs",
    "takes 5 min 20 s, in fp32 6 min 47 s",
    "(p below 0.01)",
    "(both p below 0.02)",
    "at least 1.5 times half its interval",
    # workbench run quickstart --set 'seeds=[10,11,12,13,14]' with an entry of full fine-tuning at 0.0004, 2026-12-02
    "full fine-tuning ends at 67.0 [62.4, 71.6] %",
    "In bf16 single seeds differ by up to 4 points",  # seed 3: 8.1 to 12.7
]
LORA, HEAD, FULL = "lora-isolated", "head-isolated", "full-sequential"
SEEDS = [10, 11, 12, 13, 14]  # of all that was chosen
OWN = {LORA: 0.005, HEAD: 0.03, FULL: 0.0002}  # learning rates of the methods
HOW = {"": "the machine's own", "avx2": "AVX2"}


def pieces() -> Iterator[str]:
    """Yield how the first look was chosen, what it shows, and the twenty roundings of the one before."""
    document = read("first-look-designs")
    yield from screened(document["screen"])
    yield from tried(document)
    yield from trained_well(document)
    yield from shown(read("quickstart"), document["designs"][document["taken"]])
    runs = read("first-look")["runs"]
    require(len(runs) == 20, "twenty runs")
    require(all(run["p"] < 0.05 for run in runs), "all decided")
    for run in runs:
        yield rounded(run)


def screened(screen: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each task that was screened, the largest gain first."""
    require(screen["seeds"] == SEEDS[:2], "seeds 10 and 11")
    lora, head = screen["scores"][LORA], screen["scores"][HEAD]
    gains = {task: fmean(lora[task]) - fmean(head[task]) for task in lora}
    require(len(gains) == 18, "18 tasks")
    for task in sorted(gains, key=lambda name: -gains[name]):
        ends = (number(fmean(scores[task])) for scores in (lora, head))
        yield row(f"`{task}`", *ends, number(gains[task], signed=True))


def tried(document: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each design; the one that was taken is the cheapest of those that qualify."""
    designs = document["designs"]
    for name, design in designs.items():
        require(design["seeds"] == SEEDS, "the seeds of designs")
        lora, head, budget = design["comparisons"][LORA], design["comparisons"][HEAD], design["budget"]
        yield row(
            name,
            str(len(design["tasks"])),
            *(str(budget[part]) for part in ("train_examples", "eval_examples", "epochs", "batch_size")),
            with_limits(design["metrics"][FULL]["forgetting"]),
            *(f"{gap(of['average_accuracy'])}, {probability(of['average_accuracy']['p_holm'])}" for of in (lora, head)),
            f"{100 * max(design['gains'].values()) / sum(design['gains'].values()):.0f} %",
            f"{design['processor_seconds']:.0f} s",
        )
    seconds = {name: design["processor_seconds"] for name, design in designs.items() if design["qualifies"]}
    require(
        {*seconds} == {"4", "5"} and document["taken"] == min(seconds, key=seconds.__getitem__) == "4", "4 is cheapest"
    )


def trained_well(document: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each learning rate of each entry, and what heads come to in more epochs."""
    for label, points in document["rates"].items():
        for point in sorted(points, key=lambda point: point["learning_rate"]):
            yield row(
                f"`{label}`",
                rate(point["learning_rate"]),
                with_limits(point["average_accuracy"]),
                mean(point["learning_accuracy"]),
                mean(point["forgetting"]),
            )
    heads = [head["average_accuracy"] for head in document["longer"]["heads"].values()]
    require(document["longer"]["epochs"] == 20, "20 epochs")
    for label, points in document["rates"].items():
        best = max(points, key=lambda point: float(point["average_accuracy"]["mean"]))
        require(best["learning_rate"] == OWN[label], "each entry ends highest at its own rate")
    yield f"In 20 epochs heads end at {joined(with_limits(head) for head in heads)} %"


def shown(report: dict[str, Any], design: dict[str, Any]) -> Iterator[str]:
    """Yield what the recipe's own seeds show, none of which chose anything."""
    recipe = read_recipe(RECIPES.path("quickstart")).data
    require(not {*report["seeds"]} & {*SEEDS}, "no seed that is shown was looked at before")
    require(report["tasks"] == recipe["tasks"] == design["tasks"], "the tasks that are shown are those of the design")
    require(report["complete"] and report["seeds"] == recipe["seeds"], "the recipe as it is shipped")
    rows = report["strategies"]
    lost, over, under = decided(report)
    for value in (f"forgot {lost}", over, under):
        yield value.replace("],", "] points,")
    yield f"5 min 19 s | {row(lost, over, under)[2:]}"
    yield f"3 min 18 s | {row(lost, over, under)[2:]}"  # its scores were those of the first run
    yield f"4 min 48 s | {row(*decided(read('quickstart-fp32')))[2:]}"
    gained = {
        task: rows[LORA]["matrix"][-1][position] - rows[HEAD]["matrix"][-1][position]
        for position, task in enumerate(report["tasks"])
    }
    *others, second, first = sorted(gained, key=lambda task: gained[task])
    require({first, second} == {"questions-coarse", "questions-descriptions"}, "the two tasks of questions")
    yield f"{number(gained[first])} and {number(gained[second])} points"
    yield f"{number(gained[others[0]])} to {number(gained[others[-1]])}"


def decided(report: dict[str, Any]) -> tuple[str, str, str]:
    """Return what was forgotten, LoRAs − full fine-tuning, and heads − LoRAs, each with its p."""
    rows = report["strategies"]
    lora, head = rows[LORA]["comparison"], rows[HEAD]["comparison"]
    require(reading(lora["forgetting"]) == "lower", "full fine-tuning forgets")
    require(reading(lora["average_accuracy"]) == "higher", "LoRAs are above full fine-tuning")
    require(reading(head["average_accuracy"]) == "lower", "heads are below LoRAs")
    lost = f"{with_limits(rows[FULL]['metrics']['forgetting'])}, {probability(lora['forgetting']['p_holm'])}"
    over, under = (
        f"{gap(of)}, {probability(of['p_holm'])}" for of in (lora["average_accuracy"], head["average_accuracy"])
    )
    return lost, over, under


def rounded(run: dict[str, Any]) -> str:
    """Return the row of one of the twenty roundings of the first look before this one."""
    bits = "as they are" if run["bits"] is None else f"drawn, seed {run['bits']}"
    forgotten = with_limits(run["scores"][FULL]["forgetting"])
    return row(run["precision"], HOW[run["instructions"]], bits, forgotten, probability(run["p"]))
