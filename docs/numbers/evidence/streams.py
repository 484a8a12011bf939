"""The numbers of docs/evidence/streams.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from measured import (
    DASH,
    above_better_rate,
    apart,
    declared,
    explored,
    gap,
    limits,
    mean,
    number,
    p,
    pair,
    probability,
    read,
    require,
    row,
    told_apart,
    whole,
    with_limits,
)
from measured_seven_ways import section

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED, Difference
from adapter_workbench.workbench.measures.statistics import paired_t_test

STATED = [
    # runs of earlier versions and on other machines, kept in no file
    "Seeds 0 and 1 ended at 78.8 and 82.0 on one machine, at 82.8 and 77.0 on another (300 examples)",
]
NAMES = {  # strategy → as the table calls it, and what PyContinual reports
    "joint": ("joint", "96.77"),
    "individual-full": ("individual-full, a model a task", "96.49"),
    "isolated-pfeiffer": ("isolated-pfeiffer", "96.20"),
    "isolated-lora": ("isolated-lora", DASH),
    "sequential-head": ("sequential-head, frozen features", "83.28"),
    "o-lora": ("o-lora", DASH),
    "replay": ("replay, 200 examples", DASH),
    "ewc": ("ewc", "61.86"),
    "sequential-full": ("sequential-full, 2e-4", "**52.50**"),
    "sequential-lora": ("sequential-lora, one shared LoRA", "68.29 (shared adapter)"),
}
READINGS = {"isolated-lora": "higher", "sequential-head": "higher", "sequential-lora": UNDECIDED}
REMEDIES = ("replay", "ewc", "o-lora")


def pieces() -> Iterator[str]:
    """Yield the tables and sentences of the streams."""
    yield from section(read("seven-ways"))
    newsgroups = read("20news-10")
    yield from newsgroups_table(newsgroups)
    yield from newsgroups_sentences(newsgroups)
    yield from spread(newsgroups)
    tuned = read("20news-10-tuned")
    yield from tuned_table(tuned)
    yield from tuned_sentences(tuned, newsgroups)
    reasoning = read("reasoning-3")
    yield from reasoning_table(reasoning)
    yield from reasoning_sentences(reasoning)


def newsgroups_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the ten strategies and of the frontier."""
    asked, lost = declared(document), declared(document, "forgetting")
    none = [name for name in NAMES if document["strategies"][name]["metrics"]["forgetting"]["mean"] == 0]
    require(all(lost[name].reading == "lower" for name in none), "who forgets nothing forgets less")
    for strategy, (name, published) in NAMES.items():
        metrics = document["strategies"][strategy]["metrics"]
        average, learned, forgot = (
            metrics[metric] for metric in ("average_accuracy", "learning_accuracy", "forgetting")
        )
        shown = with_limits(average)
        yield row(
            name,
            shown.replace(mean(average), f"**{mean(average)}**") if strategy == "sequential-full" else shown,
            mean(learned),
            f"{with_limits(forgot)}{marked(lost, strategy)}" if forgot["mean"] else nothing(forgot),
            f"{gap(asked[strategy].seeds.as_json())}{marked(asked, strategy)}" if strategy in asked else DASH,
            published,
        )
    for point, rate in ((0, "5e-5"), (2, "4e-4")):
        figures = document["frontier"]["sequential-full"][point]
        yield (
            f"| *frontier:* sequential-full, {rate} | {with_limits(figures['average_accuracy'])} | "
            f"{mean(figures['learning_accuracy'])} | {with_limits(figures['forgetting'])} | | |"
        )


def nothing(forgot: Mapping[str, Any]) -> str:
    """Return ``0.0 ▼`` of an entry that forgot nothing, or a dash where forgetting has no value."""
    return mean(forgot) if forgot["mean"] is None else f"{mean(forgot)} {MARKS['lower']}"


def marked(differences: Mapping[str, Difference], name: str) -> str:
    """Return the mark of an entry's difference from the reference; nothing for the reference itself."""
    return f" {MARKS[differences[name].reading]}" if name in differences else ""


def newsgroups_sentences(document: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of the differences between strategies."""
    asked, other = declared(document), explored(document)
    require((asked["isolated-lora"].reading, asked["isolated-lora"].family) == ("higher", 9), "higher, of nine")
    yield (
        f"**Isolated LoRAs end {mean(pair(document, 'isolated-lora', 'sequential-full'))} points above full "
        f"fine-tuning** ({p(asked['isolated-lora'])}, adjusted for nine comparisons), because they forget nothing."
    )
    learned = pair(document, "sequential-full", "isolated-lora", "learning_accuracy")
    require(not told_apart(learned), "right after each task the two are undecided")
    frozen = pair(document, "isolated-lora", "sequential-head")
    require("isolated-lora − sequential-head" not in apart(other), "heads and isolated LoRAs are undecided")
    yield (
        f"heads on frozen features end {mean(frozen)} {limits(frozen)} points below isolated LoRAs, undecided "
        f"({p(other['isolated-lora − sequential-head'])})"
    )
    over = [pair(document, name, "sequential-full") for name in REMEDIES]
    under = [pair(document, "isolated-lora", name) for name in REMEDIES]
    require(all(asked[name].reading == "higher" for name in REMEDIES), "above sequential-full")
    lower = [name for name in REMEDIES if f"isolated-lora − {name}" in apart(other)]
    require(lower == ["ewc"], "ewc alone is told apart")
    yield (
        f"**The three remedies** end {lowest(over)} to {highest(over)} points above sequential-full and "
        f"{lowest(under)} to {highest(under)} below isolated LoRAs; of the latter (exploratory) `ewc` alone "
        f"is decided ({p(other['isolated-lora − ewc'])})."
    )
    slow, own = document["frontier"]["sequential-full"][:2]
    require(own["chosen"], "single-task validation picks its own rate")
    gain = slow["average_accuracy"]["mean"] - own["average_accuracy"]["mean"]
    above = sorted(above_better_rate(document, name) for name in REMEDIES)
    yield (
        f"at a quarter of its rate sequential-full ends {number(gain)} points higher, {number(above[0])} to "
        f"{number(above[-1])} below the remedies"
    )


def spread(document: dict[str, Any]) -> Iterator[str]:
    """Yield how far the seeds lie apart."""
    ends = {
        name: strategy["metrics"]["average_accuracy"]["values"] for name, strategy in document["strategies"].items()
    }
    yield f"The seeds of sequential-full end between {span(ends['sequential-full'])}"
    yield f"those of isolated LoRAs between {span(ends['isolated-lora'])}."
    yield f"here at {' and '.join(number(value) for value in ends['sequential-full'][:2])}."


def tuned_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each entry at each of its learning rates, those of the frontier included."""
    for name, strategy in document["strategies"].items():
        points = {point["learning_rate"]: point for point in document["frontier"].get(name, [])}
        for tried in sorted(strategy["tuning"]["tried"], key=lambda point: point["learning_rate"]):
            own = tried["learning_rate"] == strategy["tuning"]["chosen"]
            figures = strategy["metrics"] if own else points.get(tried["learning_rate"])
            if figures is None:
                continue
            forgot = figures["forgetting"]
            yield row(
                name,
                f"**{tuned_rate(tried)}**" if own else tuned_rate(tried),
                number(tried["validation"]),
                with_limits(figures["average_accuracy"]),
                mean(figures["learning_accuracy"]),
                with_limits(forgot) if forgot["mean"] else mean(forgot),
            )


def tuned_sentences(document: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    """Yield what validation picks, and what a frontier shows beside it."""
    for name in ("isolated-lora", "sequential-full", "sequential-lora"):
        same = [record["strategies"][name]["metrics"]["average_accuracy"]["values"] for record in (document, before)]
        require(same[0] == same[1], "these rows are those of the table above")
        chosen = document["strategies"][name]["tuning"]["chosen"]
        require(chosen == before["strategies"][name]["settings"]["learning_rate"], "validation picks their own rates")
    isolated = document["strategies"]["isolated-lora"]["metrics"]["average_accuracy"]["values"]
    for name, words in (("sequential-lora", "the shared LoRA"), ("sequential-full", "full fine-tuning")):
        points = {point["learning_rate"]: point for point in document["frontier"][name]}
        slow, own = points[min(points)], next(point for point in points.values() if point["chosen"])
        at, picked = (point["average_accuracy"]["values"] for point in (slow, own))
        gain, gap = ([x - y for x, y in zip(*pair, strict=True)] for pair in ((at, picked), (isolated, at)))
        yield (
            f"At {tuned_rate(slow)} {words} ends {number(fmean(gain))} points higher than at the picked rate "
            f"({by_itself(gain)}) and {number(fmean(gap))} below isolated LoRAs ({by_itself(gap)})."
        )
    asked, lost = declared(document), declared(document, "forgetting")
    require({name: value.reading for name, value in asked.items()} == READINGS, "what is higher")
    require([value.reading for value in lost.values()] == ["lower", "lower", "higher"], "what forgets less")
    above, less = asked["isolated-lora"], lost["isolated-lora"]
    require(above.adjusted == asked["sequential-head"].adjusted, "both p")
    require(less.adjusted == lost["sequential-head"].adjusted, "both p")
    yield (
        f"isolated LoRAs and heads end higher (both {p(above)}) and forget less (both {p(less)}); the shared LoRA is "
        f"undecided at the end ({p(asked['sequential-lora'])}) and forgets more ({p(lost['sequential-lora'])})."
    )


def by_itself(differences: list[float]) -> str:
    """Return ``p = 0.044``, of a paired t-test over seeds that is not adjusted, and whether it tells nothing."""
    chance = paired_t_test(differences)
    return f"{probability(chance)}{'' if chance is not None and chance < 0.05 else ', undecided'}"


def tuned_rate(point: dict[str, Any]) -> str:
    """Return a learning rate in two digits: ``7.9e-4``, ``0.047``."""
    value = point["learning_rate"]
    return f"{value:.2g}" if value >= 0.001 else f"{value:.1e}".replace("e-0", "e-").replace(".0e", "e")


def reasoning_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of three strategies and of one more learning rate."""
    for label, name in (
        ("lora-isolated", "lora-isolated"),
        ("lora-sequential, one shared LoRA", "lora-sequential"),
        ("full-sequential, 2e-4", "full-sequential"),
    ):
        strategy = document["strategies"][name]
        metrics = strategy["metrics"]
        average = mean(metrics["average_accuracy"])
        yield row(
            label,
            average if name == "lora-sequential" else f"**{average}**",
            mean(metrics["learning_accuracy"]),
            mean(metrics["forgetting"]),
            *(", ".join(whole(score) for score in scores if score is not None) for scores in strategy["matrix"][1:]),
        )
    slow = document["frontier"]["full-sequential"][0]
    yield (
        f"| *frontier:* full-sequential, 5e-5 | {mean(slow['average_accuracy'])} | {mean(slow['learning_accuracy'])} | "
        f"{mean(slow['forgetting'])} |"
    )


def reasoning_sentences(document: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of one seed, over test examples."""
    full, shared, between = (
        pair(document, *names)["bootstrap"]
        for names in (
            ("lora-isolated", "full-sequential"),
            ("lora-isolated", "lora-sequential"),
            ("lora-sequential", "full-sequential"),
        )
    )
    require(told_apart(full) and told_apart(shared), "isolated LoRAs are above both")
    yield (
        f"Isolated LoRAs end {mean(full)} {whole_limits(full)} points above full fine-tuning and {mean(shared)} "
        f"{whole_limits(shared)} above the shared LoRA, over test examples."
    )
    require(not told_apart(between), "it is undecided")
    yield (f"Between the last two it is undecided ({mean(between)} {whole_limits(between)}).")
    alone, together = (document["strategies"][name]["matrix"] for name in ("lora-isolated", "lora-sequential"))
    yield (
        f"In this run the shared LoRA reached {whole(together[2][1])} and {whole(together[3][2])} % on the second "
        "and third "
        f"task, a fresh LoRA {whole(alone[2][1])} and {whole(alone[3][2])}."
    )
    slow, own = document["frontier"]["full-sequential"]
    require(own["chosen"] and own["learning_rate"] == 4 * slow["learning_rate"], "at a quarter of the rate")
    require(slow["forgetting"]["mean"] < own["forgetting"]["mean"], "less is forgotten")
    require(document["strategies"]["full-sequential"]["matrix"][2][0] == 0, "nothing is left")


def lowest(differences: list[dict[str, Any]]) -> str:
    """Return the smallest mean of some differences."""
    return number(min(difference["mean"] for difference in differences))


def highest(differences: list[dict[str, Any]]) -> str:
    """Return the largest mean of some differences."""
    return number(max(difference["mean"] for difference in differences))


def span(values: list[float]) -> str:
    """Return ``76.5 and 84.5``, the smallest and the largest."""
    return f"{number(min(values))} and {number(max(values))}"


def whole_limits(difference: dict[str, Any]) -> str:
    """Return bounds in whole points."""
    return f"[{whole(difference['low'])}, {whole(difference['high'])}]"
