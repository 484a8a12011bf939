"""The numbers of docs/explanations/composing.md that are of an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    compared,
    gap,
    joined,
    limits,
    mean_validation,
    number,
    over_examples,
    probability,
    rate,
    read,
    reading,
    require,
    row,
    signed,
)

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED

STATED = [
    "**The goal was a composition at least 1.3 points above a fresh adapter, the gain that the AdapterFusion paper "
    "reports",
    "(`part: 0.334`; 6, 12 and 16 steps for K = 16, 64, 256)",
    # runs of earlier versions, whose files are in the history
    "`warm-start` scored 75.9 % before",
    "two runs in which `warm-start` stood 1.6 and 1.1 points above a fresh LoRA",
    "weights of up to 1e30 to three features of MiniLM that vary by 1e-32 to 1e-9",
]
SHOTS = ("16", "64", "256")
LEARNED = ("warm-start", "mix", "adapterfusion", "warm-start-third", "fresh-third")
CONTROLS = ("full fine-tuning", "fresh pfeiffer", "fresh lora")
WITHOUT_SKILL = ("fresh lora", "warm-start", "warm-start, random sources", "warm-start, shuffled sources")
TRAINED = (*LEARNED, "fresh pfeiffer", "full fine-tuning")


def pieces() -> Iterator[str]:
    """Yield the tables and sentences of every comparison on the page."""
    document = read("fuse-new-task")
    contestants = document["contestants"]
    yield results(document)
    yield from trained(contestants)
    yield from with_sources(document)
    yield from untrained(contestants)
    yield from rates(read("few-shot-rates"))
    told = [label for label in contestants if contestants[label]["against"] and apart(contestants, label)]
    yield require(not told, "The declared test distinguishes no row of the table below from its control.")
    for label, contestant in contestants.items():
        yield contestant_row(label, contestant)
    yield from with_controls()


def with_controls() -> Iterator[str]:
    """Yield what is left of a start at sources where these know nothing, in a run of its own."""
    document = read("fuse-new-task-controls")
    contestants = document["contestants"]
    require(document["complete"], "has run")
    for label in WITHOUT_SKILL:
        against, standings = contestants[label]["against"], contestants[label]["standings"]
        scores = (number(standings[shots]["score"]) for shots in (*SHOTS, "all"))
        yield row(label, against or "", *scores, *compared({**standings["all"], "against": against}))
    require(all(reading(gain(contestants, label)) == UNDECIDED for label in WITHOUT_SKILL[1:]), "none is decided")
    yield "None of the three differences is decided"


def results(document: dict[str, Any]) -> str:
    """Return how many results there are; those that validation picks are results of others."""
    contestants = sum(contestant["role"] != "pick" for contestant in document["contestants"].values())
    return f"all {contestants * len(document['targets']) * len(document['shots']) * len(document['seeds']):,} results."


def gain(contestants: dict[str, Any], label: str, shots: str = "all") -> dict[str, Any]:
    """Return a contestant's score − that of what it is compared with."""
    return dict(contestants[label]["standings"][shots]["gain"])


def percent(contestants: dict[str, Any], label: str) -> str:
    """Return a contestant's score over all K, targets and seeds."""
    return number(contestants[label]["standings"]["all"]["score"])


def trained(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield the table of everything that is trained: the same head, fallback and steps as its control has."""
    for label in TRAINED:
        difference = gain(contestants, label)
        yield row(
            f"`{label}`" if label in LEARNED else label,
            contestants[label]["against"],
            *(signed(gain(contestants, label, shots)) for shots in SHOTS),
            over_examples(difference),
            limits(difference),
            probability(difference["p_holm"]).removeprefix("p = "),
        )


def apart(contestants: dict[str, Any], label: str, shots: str = "all") -> bool:
    """Return whether the report calls a contestant higher or lower than what it is compared with."""
    return gain(contestants, label, shots)["reading"] in ("higher", "lower")


def with_sources(document: dict[str, Any]) -> Iterator[str]:
    """Yield what those that begin with sources have above those that do not."""
    contestants = document["contestants"]
    require(not any(apart(contestants, label) for label in TRAINED), "None of these rows is told apart")
    few = ("warm-start", "mix")
    require(not any(apart(contestants, label, "16") for label in few), "nothing that three seeds could show")
    scores = {
        label: contestant["standings"]["all"]["score"]
        for label, contestant in contestants.items()
        if contestant["role"] != "pick"
    }
    best = sorted(scores, key=lambda label: -scores[label])[: len(CONTROLS) + 1]
    require(set(best) - set(CONTROLS) == {"warm-start"}, "of the four best, only warm-start has sources")
    yield f"{joined([f'{label} ({percent(contestants, label)} %)' for label in best])}."
    seeds = [number(value, signed=True) for value in gain(contestants, "warm-start")["values"]]
    yield f"seed by seed `warm-start` is {joined(seeds)} points from the fresh LoRA"
    yield f"only some {gain(contestants, 'warm-start')['to_decide']['seeds']} seeds would decide"
    thirds = gain(contestants, "warm-start-third")
    require(contestants["warm-start-third"]["against"] == "fresh-third", "its control has as few steps")
    yield (
        f"They score {percent(contestants, 'warm-start-third')} and {percent(contestants, 'fresh-third')} %, the fresh "
        f"LoRA after all of its steps {percent(contestants, 'fresh lora')} %; the two are "
        f"{number(thirds['mean'], signed=True)} points apart, {limits(thirds)}."
    )
    picked = document["best_composition_minus_best_control"]
    require(reading(picked) == UNDECIDED, "not told apart")
    yield (
        f'the composition that it picks ("best composition") scores {percent(contestants, "best composition")} %, the '
        f'control that it picks ("best control") {percent(contestants, "best control")} %: {gap(picked["bootstrap"])} '
        f"over test examples, {limits(picked)} over both, undecided."
    )


def untrained(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield how those whose weights are not trained compare with frozen features and with the fresh LoRA."""
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
        f"a head on frozen features scores {number(frozen)} %, the best of these {len(scores)} ({best}) "
        f"{number(scores[best])} %; {worse} of the {len(sources)} single sources score less than frozen features."
    )
    require(not any(apart(contestants, label) for label in scores), "none of them is told apart from the fresh LoRA")
    below = [-gain(contestants, label)["mean"] for label in ("sum", "svd", "dare")]
    yield (
        f"`sum`, `svd` and `dare` (weights 1) are {number(min(below))} to {number(max(below))} points below the fresh "
        f"LoRA in the mean, `average` of the same updates {number(-gain(contestants, 'average, lora')['mean'])}."
    )


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
    compared = () if label == "fresh lora" else (f"{over_examples(difference)} {MARKS[reading(difference)]}",)
    return row(
        label,
        contestant["against"] or "",
        *(number(standings[shots]["score"]) for shots in SHOTS),
        *(number(score) for score in overall["targets"].values()),
        number(overall["score"]),
        *((*compared, limits(difference)) if compared else ("", "")),
        f"{overall['seconds']:.1f} s",
    )
