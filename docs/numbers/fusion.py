"""The numbers of docs/fusion.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    count,
    decimals,
    gap,
    limits,
    mean_validation,
    number,
    rate,
    read,
    require,
    row,
    signed,
    times,
    told_apart,
    whole,
)

from experiments.reporting.differences import MARKS

STATED = [
    "**The goal was a composition at least 1.3 points above a fresh adapter, the gain that the AdapterFusion paper "
    "reports",
    "(`part: 0.334`; 6, 12 and 16 steps for K = 16, 64, 256)",
    # runs of earlier versions, kept in no file
    "On this processor `quickstart` takes 1.8 times as long as on the processor of the first run.",
    "With the rates before this tuning (`warm-start` 0.001, `mix` 0.01, `adapterfusion` 5e-4, full 5e-5), "
    "on the two seeds and a half that had been run, `warm-start` was at +1.1 [−0.1, 2.3].",
    "The default, one threshold over all modules, takes about 1.6 times as long.",
    "overlap far beyond chance (0.59 for bbc-news and 20news-3, where chance gives 0.02)",
    # the table of methods: settings of the papers and of their programs
    "| `ties` | largest 20 % of each update",
    "| `magnitude` | largest 20 % of each module",
    "α is 0.3",
    "also trims to the largest 20 %",
    # the same table: how far two rules lie apart, measured on LoRAs and kept in no file
    "(0.66 of the norm apart, four of rank 8 at 384 × 384)",
    "of the one here (0.08 and 0.29, same LoRAs)",
    "√(1 − 1 ÷ n) of the norm apart, 0.91 for six",
    # settings
    "Weights are given with `--set weights=[0.7,0.3]`",
    "| word reversal, 0.30 |",
    "Weight 0.75 each (of 0.6, 0.75 and 1 the best on validation), λ = 0.75 picked on validation",
]
SHOTS = ("16", "64", "256")
MERGES = {  # as the file calls it → as the table does, and PEFT's way
    "svd, BERT": ("truncated sum, BERT-base", "`svd`"),
    "svd, 4096×4096": ("truncated sum, 4096 × 4096", "`svd`"),
    "svd, 11008×4096": ("truncated sum, 11008 × 4096", "`svd`"),
    "ties, BERT": ("ties to rank 16, BERT-base", "`ties_svd`"),
    "dare-ties, BERT": ("dare-ties to rank 16, BERT-base", "`dare_ties_svd`"),
    "knots alignment": ("KnOTS alignment, 768 × (8 · 768)", "dense SVD"),
}
SUBTRACTED = (
    ("election-tweets", "0.5"),
    ("election-tweets", "1"),
    ("bbc-news", "0.5"),
    ("20news-3", "1"),
    ("20news-4", "0.5"),
)
REASONING = {
    "reasoning-gym-word-reversal": "word reversal",
    "reasoning-gym-needle-haystack": "needle",
    "reasoning-gym-syllogism": "syllogism",
}


def pieces() -> Iterator[str]:
    """Yield the tables and sentences of every comparison on the page."""
    first, second = (read(name)["contestants"] for name in ("fuse-new-task-first", "fuse-new-task"))
    yield from warm_starts(first, second)
    yield from against_a_fresh_lora(first, second)
    yield from untrained(second)
    yield results(read("fuse-new-task"))
    yield from a_third(read("fuse-new-task"), read("warm-start-third")["contestants"])
    yield from rates(read("few-shot-rates"))
    for label, contestant in second.items():
        yield contestant_row(label, contestant)
    for result in read("merging")["results"]:
        yield merge_row(result)
    yield from subtractions(read("unlearning"))
    yield from from_joint(read("unlearning-joint"))
    yield from from_sum(read("unlearning-sum"))


def results(document: dict[str, Any]) -> str:
    """Return how many results there are; those that validation picks are results of others."""
    contestants = sum(contestant["role"] != "pick" for contestant in document["contestants"].values())
    return f"all {contestants * len(document['targets']) * len(document['shots']) * len(document['seeds']):,} results."


def gain(contestants: dict[str, Any], label: str, shots: str = "all") -> dict[str, Any]:
    """Return a contestant's score − the fresh LoRA's."""
    return dict(contestants[label]["standings"][shots]["gain"])


def percent(contestants: dict[str, Any], label: str) -> str:
    """Return a contestant's score over all K, targets and seeds."""
    return number(contestants[label]["standings"]["all"]["score"])


def warm_starts(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    """Yield the table of both runs."""
    for name, contestants in (("first", first), ("second", second)):
        compositions = {
            label: contestant["standings"]["all"]["score"]
            for label, contestant in contestants.items()
            if contestant["role"] == "composition"
        }
        require(max(compositions, key=lambda label: compositions[label]) == "warm-start", "warm-start is the best")
        difference = gain(contestants, "warm-start")
        require(not told_apart(difference), "over seeds no interval excludes 0")
        yield row(
            f"{name} run",
            *(signed(gain(contestants, "warm-start", shots)) for shots in SHOTS),
            f"**{gap(difference['bootstrap'])}**",
            limits(difference),
        )
    require(told_apart(gain(first, "warm-start")["bootstrap"]), "in one run the interval excludes 0")
    require(not told_apart(gain(second, "warm-start")["bootstrap"]), "in the next it does not")


def against_a_fresh_lora(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    """Yield how those that are trained compare with a fresh LoRA."""
    few = {
        label: [signed(gain(contestants, label, "16")) for contestants in (first, second)]
        for label in ("warm-start", "mix")
    }
    wide = [gain(contestants, label, "16") for contestants in (first, second) for label in ("warm-start", "mix")]
    require(not any(told_apart(difference) for difference in wide), "over seeds all four intervals include 0")
    yield (
        f"At K = 16 `warm-start` is {' and '.join(few['warm-start'])} points above the fresh LoRA in the two runs, "
        "`mix` "
        f"{' and '.join(few['mix'])}; over seeds all four intervals include 0."
    )
    pfeiffer = gain(second, "fresh pfeiffer")
    require(told_apart(pfeiffer["bootstrap"]) and not told_apart(pfeiffer), "above over examples, not over seeds")
    yield (
        f"a fresh *Pfeiffer* adapter, which has no sources either, scores {percent(second, 'fresh pfeiffer')} %, "
        f"{number(pfeiffer['mean'])} points above the fresh LoRA ({limits(pfeiffer['bootstrap'])} over test examples, "
        f"{limits(pfeiffer)} over seeds; {number(gain(first, 'fresh pfeiffer')['mean'])} in the first run), and "
        f"`warm-start` {percent(second, 'warm-start')} %."
    )
    fused = gain(second, "adapterfusion")
    require(not told_apart(fused["bootstrap"]), "AdapterFusion does not show the gain")
    weights = second["adapterfusion"]["standings"]["all"]["trainable_parameters"]
    yield (
        f"{number(fused['mean'])} {limits(fused['bootstrap'])} against a fresh LoRA "
        f"({number(gain(first, 'adapterfusion')['mean'])} in the first run), with six sources and at most 256 "
        "examples for "
        f"{count(weights)} weights of attention."
    )
    picked = gain(second, "best composition")
    chosen, best = percent(second, "best composition"), percent(second, "warm-start")
    require(not told_apart(picked["bootstrap"]), "not distinguishable from a fresh LoRA")
    yield (
        f'the composition that it picks among all ("best composition") scores {chosen} %, not distinguishable from a '
        f"fresh LoRA ({limits(picked['bootstrap'])} over test examples), and `warm-start` {best} %."
    )


def untrained(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield how those whose weights are not trained compare with frozen features."""
    frozen = contestants["frozen features"]["standings"]["all"]["score"]
    scores = {
        label: contestant["standings"]["all"]["score"]
        for label, contestant in contestants.items()
        if contestant["role"] in ("source", "average", "composition") and not contestant["standings"]["all"]["steps"]
    }
    best = max(scores, key=lambda label: scores[label])
    sources = [scores[label] for label in scores if contestants[label]["role"] == "source"]
    worse = sum(score < frozen for score in sources)
    yield (
        f"a head on frozen features scores {number(frozen)} %, the best of these {len(scores)} (`{best}`) "
        f"{number(scores[best])} %; {worse} of the {len(sources)} single sources score less than frozen features."
    )
    losses = [gain(contestants, label) for label in ("sum", "svd", "dare")]
    require(all(told_apart(loss) and told_apart(loss["bootstrap"]) for loss in losses), "sum, svd and dare are below")
    average = gain(contestants, "average, lora")
    require(not told_apart(average["bootstrap"]), "average is not distinguishable")
    below = [-loss["mean"] for loss in losses]
    yield (
        f"`sum`, `svd` and `dare` (weights 1) are {number(min(below))} to {number(max(below))} points below a fresh "
        "LoRA, over "
        f"seeds too; `average` of the same updates is {number(-average['mean'])} below, not distinguishable "
        f"({limits(average['bootstrap'])} over test examples)."
    )


def a_third(document: dict[str, Any], alone: dict[str, Any]) -> Iterator[str]:
    """Yield what a warm start reaches after a third of the steps."""
    contestants = document["contestants"]
    third = contestants["warm-start-third"]["standings"]
    require([third[shots]["steps"] for shots in SHOTS] == [6, 12, 16], "6, 12 and 16 steps")
    difference, again = third["all"]["gain"], gain(alone, "warm-start-third")["bootstrap"]
    require(
        not any(map(told_apart, (difference, difference["bootstrap"], again))),
        "These differences are not distinguishable",
    )
    apart = ", ".join(f"{shots}: {signed(third[shots]['gain'])}" for shots in SHOTS).replace("16:", "K = 16:", 1)
    yield (
        f"scores {percent(contestants, 'warm-start-third')} %, the fresh LoRA after all of its steps "
        f"{percent(contestants, 'fresh lora')} %: {gap(difference['bootstrap'])} over test examples, "
        f"{limits(difference)} over "
        f"seeds ({apart})."
    )
    yield f"A run of that comparison alone on the first machine gave {gap(again)}"
    within = document["speed"]["warm-start-third"]["within_a_third"]
    yield f"a third is enough in {whole(within)} % of them."


def rates(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of learning rates that were tried."""
    for contestant, chosen in document["chosen"].items():
        means = mean_validation(point for point in document["points"] if point["contestant"] == contestant)
        tried = ", ".join(f"{rate(value)}: {number(mean)}" for value, mean in means.items())
        yield row(contestant, tried, rate(chosen))


def contestant_row(label: str, contestant: dict[str, Any]) -> str:
    """Return the row of one contestant; the reference has no differences."""
    standings = contestant["standings"]
    overall = standings["all"]
    difference = overall["gain"]
    over_examples = difference["bootstrap"]
    compared = (f"{gap(over_examples)} {MARKS[over_examples['reading']]}", limits(difference))
    return row(
        label,
        *(number(standings[shots]["score"]) for shots in SHOTS),
        *(number(score) for score in overall["targets"].values()),
        number(overall["score"]),
        *(("", "") if label == "fresh lora" else compared),
        f"{overall['seconds']:.1f} s",
    )


def merge_row(result: dict[str, Any]) -> str:
    """Return the row of one merge, here and in PEFT."""
    name, way = MERGES[result["name"]]
    return row(
        name,
        way,
        f"{times(result['ratio'])} ({times(result['cpu_ratio'])})",
        times(result["bars"]["ratio"]),
        f"{result['memory_mb']:.0f} MB ({result['peer_memory_mb']:,.0f} MB)",
        error(result),
    )


def error(result: dict[str, Any]) -> str:
    """Return how far a merge is from the exact one."""
    if "excess_error" in result:
        return f"{100 * result['excess_error']:.3f} % above the full SVD's"
    text = f"{result['error']:.1e}".replace("e-0", "e-")
    return f"{text} of the float64 optimum" if result["name"] == "svd, BERT" else text


def subtractions(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of tasks that were subtracted from the bare backbone."""
    results = {result["task"]: result for result in document["forgotten"]}
    for task, strength in SUBTRACTED:
        before, after = results[task]["curve"]["0"], results[task]["curve"][strength]
        changes = sorted(100 * (after[other] - before[other]) for other in after if other != task)
        yield row(
            f"{task}, {float(strength):.1f}",
            f"{whole(before[task])} → {whole(after[task])} ({whole(results[task]['chance'])})",
            f"{decimals(round(changes[-1]), 0)} to {decimals(round(changes[0]), 0)}",
        )


def from_joint(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of tasks that were subtracted from a LoRA that had learned all."""
    results = {result["task"]: result["curve"] for result in document["forgotten"]}
    yield row("nothing", *(whole(score) for score in next(iter(results.values()))["0"].values()))
    losses = []
    for task, curve in results.items():
        for strength in ("0.3", "0.45"):
            cells = {name: whole(score) for name, score in curve[strength].items()}
            if strength == "0.45":
                cells[task] = f"**{cells[task]}**"
                losses += [100 * (curve["0"][name] - curve[strength][name]) for name in cells if name != task]
            yield row(f"{REASONING[task]}, {float(strength):.2f}", *cells.values())
    yield f"But they lose {min(losses):.0f} to {max(losses):.0f} points, while the aim was less than two."
    require(all(summary["strength"] == 0 for summary in document["summary"].values()), "No λ passed the rule")


def from_sum(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of tasks that were taken out of a sum of LoRAs."""
    for result in document["forgotten"]:
        name = REASONING[result["task"]]
        after = whole(result["after"])
        without = "majority class: 50" if name == "syllogism" else whole(result["chance"])
        least = min(after - before for before, after in result["others"].values())
        yield row(
            name,
            f"{whole(result['before'])} → {after if name == 'needle' else f'**{after}**'} ({without})",
            f"{number(least, signed=True)} and more",
        )
