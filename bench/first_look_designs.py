"""How the first look was chosen: tasks that were screened, designs that were tried, further rates and longer heads.

    python -m bench.first_look_designs --workspace designs --out first-look-designs.json

Its seeds are none of those that the recipe ``quickstart`` shows. `qualifies` is the rule, and the cheapest design that
qualifies is taken. What the workspace holds already is not run again.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import typer

from adapter_workbench.experiments.api import Workbench
from bench import program

LORA, HEAD, FULL = "lora-isolated", "head-isolated", "full-sequential"
ENTRIES = {
    LORA: {"strategy": "isolated", "method": "lora"},
    HEAD: {"strategy": "isolated", "method": "head", "against": LORA},
    FULL: {"strategy": "sequential", "method": "full"},
}
SEEDS = (10, 11, 12, 13, 14)
SCREENED = (
    *("questions-coarse", "questions-descriptions", "questions-numbers", "questions-people", "debates-roles"),
    *("debates-moderators", "election-tweets", "reuters-sectors", "reuters-r8", "newsgroups-science"),
    *("sentiment-tweets", "sentiment-products", "sentiment-movies", "trump-tweets", "movie-texts", "same-group-six"),
    *("newsgroups-branches", "sdg-planet"),
)
WITH_MOVIES = ("questions-coarse", "election-tweets", "movie-texts", "debates-moderators", "sentiment-products")
WITHOUT = ("questions-coarse", "election-tweets", "newsgroups-science", "debates-moderators", "sentiment-products")
SIX = (*WITHOUT[:2], "questions-descriptions", *WITHOUT[2:])
QUESTIONS = (*WITH_MOVIES[:3], "questions-descriptions", WITH_MOVIES[-1])
SHARED = {"validation_examples": 32, "max_length": 24}


@dataclass(frozen=True)
class Design:
    """What differs between the designs: the tasks in their order, and some of the budget."""

    tasks: tuple[str, ...]
    train_examples: int
    eval_examples: int
    epochs: int
    batch_size: int


DESIGNS = {  # in the order in which they were tried
    "1": Design(WITH_MOVIES, train_examples=96, eval_examples=100, epochs=4, batch_size=8),
    "2": Design(WITH_MOVIES, train_examples=128, eval_examples=100, epochs=3, batch_size=8),
    "3": Design(WITHOUT, train_examples=128, eval_examples=250, epochs=3, batch_size=8),
    "4": Design(SIX, train_examples=128, eval_examples=150, epochs=4, batch_size=16),
    "5": Design(QUESTIONS, train_examples=128, eval_examples=100, epochs=3, batch_size=8),
}
RATES = {LORA: [0.0025, 0.01], HEAD: [0.01, 0.1, 0.3], FULL: [0.00005, 0.0001]}  # beside each method's own
LONGER = 20  # epochs of a head: its features are computed once, so that they cost little
LEVELS = {FULL: 0.02, HEAD: 0.02, "forgetting": 0.01}  # p of each comparison that a design has to stay below
ROOM = 1.5  # each difference, in halves of its interval
MOST_SECONDS = 2 * 4 * 60  # of the processor, for training all entries and seeds
SHARE = 0.5  # of what the LoRAs gain over the heads, that one task may bring at most


def recipe(name: str, tasks: tuple[str, ...], seeds: tuple[int, ...], entries: Any, **budget: int) -> dict[str, Any]:
    """Return a recipe as a file has it."""
    return {
        "name": name.replace(" ", "-"),
        "backbone": "minilm",
        "tasks": [*tasks],
        "seeds": [*seeds],
        "budget": {**SHARED, **budget},
        "strategies": entries,
        "reference": next(label for label in (FULL, LORA, HEAD) if label in entries),
        "keep_states": "last",
    }


def run(workbench: Workbench, document: dict[str, Any]) -> dict[str, Any]:
    """Run a recipe and return the document of its report, with each seed's scores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{document['name']}.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
        return workbench.run(workbench.plan(str(path))).as_json()


def ends(report: dict[str, Any], label: str) -> dict[str, list[float]]:
    """Return task → the score after the last stage with each seed."""
    replications = report["strategies"][label]["seeds"]
    return {
        task: [replication["matrix"][-1][position] for replication in replications]
        for position, task in enumerate(report["tasks"])
    }


def gains(report: dict[str, Any]) -> dict[str, float]:
    """Return task → what the LoRA is above the head, the mean over seeds."""
    lora, head = ends(report, LORA), ends(report, HEAD)
    return {task: fmean(lora[task]) - fmean(head[task]) for task in report["tasks"]}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of an entry that the page shows."""
    return {name: row["metrics"][name] for name in ("average_accuracy", "learning_accuracy", "forgetting")}


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a design came to: scores with each seed, what was compared, and the processor time."""
    rows = report["strategies"]
    return {
        "tasks": report["tasks"],
        "budget": report["budget"],
        "seeds": report["seeds"],
        "processor_seconds": len(report["seeds"]) * sum(row["cost"]["processor_seconds"] for row in rows.values()),
        "metrics": {label: shown(row) for label, row in rows.items()},
        "comparisons": {label: row["comparison"] for label, row in rows.items() if row["comparison"]},
        "gains": gains(report),
        "verdict": report["verdict"],
    }


def qualifies(design: dict[str, Any]) -> bool:
    """Return whether the LoRAs are above the heads and above full fine-tuning, which forgets, and by several tasks."""
    lora, head = design["comparisons"][LORA], design["comparisons"][HEAD]
    gained = design["gains"]
    return bool(
        lora["average_accuracy"]["mean"] > 0 > head["average_accuracy"]["mean"]
        and lora["average_accuracy"]["p_holm"] < LEVELS[FULL]
        and head["average_accuracy"]["p_holm"] < LEVELS[HEAD]
        and lora["forgetting"]["p_holm"] < LEVELS["forgetting"]
        and all(map(_has_room, (lora["average_accuracy"], head["average_accuracy"], lora["forgetting"])))
        and max(gained.values()) <= SHARE * sum(gained.values())
        and design["processor_seconds"] <= MOST_SECONDS
    )


def _has_room(difference: dict[str, Any]) -> bool:
    return bool(abs(difference["mean"]) >= ROOM * (difference["high"] - difference["low"]) / 2)


def main(
    context: typer.Context,
    workspace: program.Workspace = None,
    taken: str = "4",
    out: program.Out = Path("first-look-designs.json"),
) -> None:
    """Screen the tasks, try the designs, and learn the design that was taken at further rates."""
    workbench = Workbench(workspace)
    heads = {name: entry for name, entry in ENTRIES.items() if name != FULL}
    screen = run(
        workbench,
        recipe("screen", SCREENED, SEEDS[:2], heads, train_examples=128, eval_examples=100, epochs=4, batch_size=8),
    )
    scores = {label: ends(screen, label) for label in heads}
    designs = {}
    for name, tried in DESIGNS.items():
        report = run(workbench, recipe(f"design {name}", seeds=SEEDS, entries=ENTRIES, **asdict(tried)))
        designs[name] = summary(report)
        designs[name]["qualifies"] = qualifies(designs[name])
        typer.echo(f"{name}: {designs[name]['qualifies']}: {report['verdict']}", err=True)
    design = asdict(DESIGNS[taken])
    document = recipe(f"rates of {taken}", seeds=SEEDS, entries=ENTRIES, **design)
    rates = run(workbench, {**document, "frontier": RATES})["frontier"]
    slow = {"head-slow": {**ENTRIES[HEAD], "against": HEAD, "learning_rate": RATES[HEAD][0]}}
    alone = {HEAD: {"strategy": "isolated", "method": "head"}, **slow}
    design |= {"epochs": LONGER}
    longer = run(workbench, recipe("longer heads", seeds=SEEDS, entries=alone, **design))
    program.write(
        context,
        out,
        screen={"seeds": SEEDS[:2], "scores": scores},
        designs=designs,
        taken=taken,
        rates=rates,
        longer={"epochs": LONGER, "heads": {label: shown(row) for label, row in longer["strategies"].items()}},
    )


if __name__ == "__main__":
    typer.run(main)
