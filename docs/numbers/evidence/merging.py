"""The numbers of docs/evidence/merging.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    decimals,
    number,
    read,
    require,
    row,
    times,
    whole,
)

STATED = [
    "The default, one threshold over all modules, takes about 1.6 times as long.",
    "overlap far beyond chance (0.59 for bbc-news and 20news-3, where chance gives 0.02)",
    "| word reversal, 0.30 |",
    "Weight 0.75 each, λ = 0.75, both picked on validation",
]
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
    for result in read("merging")["results"]:
        yield merge_row(result)
    yield from subtractions(read("unlearning"))
    yield from from_joint(read("unlearning-joint"))
    yield from from_sum(read("unlearning-sum"))


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
    yield f"But the others lose {min(losses):.0f} to {max(losses):.0f} points"
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
