"""A record that was made up for these tests: plausible numbers, none of them measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.studies.stream.results.report import Report

TASKS = ("bbc-news", "election-tweets", "20news-3", "subjectivity")
SIZES = (400, 400, 320, 250)
MAJORITY = (0.23, 0.52, 0.36, 0.5)
LEARNED = (0.965, 0.885, 0.91, 0.86)

# drop of an old task at each later stage, gain over LEARNED, trainable parameters, stored bytes a task
SHAPES = {
    "lora-isolated": (0.0, -0.004, 148_000, 620_000),
    "full-sequential": (0.14, 0.006, 22_700_000, 0),
    "lora-sequential": (0.09, -0.012, 148_000, 0),
    "full-replay": (0.035, 0.002, 22_700_000, 310_000),
    "full-joint": (0.0, 0.012, 22_700_000, 0),
}
ENTRIES = (
    Entry("lora-isolated", "isolated", "lora", {"rank": 8}),
    Entry("full-sequential", "sequential", "full", {}),
    Entry("lora-sequential", "sequential", "lora", {"rank": 8}),
    Entry("full-replay", "replay", "full", {"memory": 50}),
    Entry("full-joint", "joint", "full", {}),
)


def invent(folder: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> Record:
    """Return a whole record whose scores are the means of the outcomes that it writes into ``folder``."""
    outcomes: list[StageOutcome] = []
    examples: dict[tuple[str, int, int, str], Path] = {}
    for entry in ENTRIES:
        for seed in seeds:
            stream_outcomes, files = _stream(folder, entry, seed)
            outcomes += stream_outcomes
            examples |= files
    return Record(
        experiment="made-up",
        identity="made-up",
        backbone="minilm",
        tasks=TASKS,
        test_sizes=SIZES,
        majority=MAJORITY,
        seeds=seeds,
        orders=(TASKS,),
        scenario="task-incremental",
        entries=ENTRIES,
        reference="full-sequential",
        budget={"train_examples": 400, "eval_examples": 400, "epochs": 3, "batch_size": 16, "max_length": 96},
        outcomes=tuple(outcomes),
        provenance={
            "command": "workbench run made-up --workspace .workbench",
            "started": "2025-01-31T12:00:00+00:00",
            "versions": "torch 2.13.0, transformers 4.57.6, adapters 1.3.0, peft 0.21.2",
            "git": "0123abc (clean)",
            "machine": "2 cores, no GPU",
        },
        examples=examples,
    )


def _stream(folder: Path, entry: Entry, seed: int) -> tuple[list[StageOutcome], dict[tuple[str, int, int, str], Path]]:
    drop, gain, trainable, stored = SHAPES[entry.label]
    random = np.random.default_rng([seed, *entry.label.encode()])
    outcomes, examples = [], {}
    scores: dict[str, float] = {}
    for stage in range(1, len(TASKS) + 1):
        cells = []
        for column, task in enumerate(TASKS[:stage] if entry.strategy != "joint" else TASKS):
            if entry.strategy == "joint" and stage < len(TASKS):
                continue
            learned_at = column + 1
            if entry.strategy == "isolated" and stage > learned_at:
                status = "verified" if stage == len(TASKS) else "carried"
                cells.append(Cell(task, stage, scores[task], SIZES[column], status, 2.1 * (status == "verified")))
                continue
            age = 0 if entry.strategy == "joint" else stage - learned_at
            expected = max(LEARNED[column] + gain - drop * age**0.8, MAJORITY[column])
            # the same examples are hard for everyone: a latent difficulty, shared noise, a little noise of their own
            difficulty = np.random.default_rng(column).random(SIZES[column])
            correct = difficulty + random.normal(0, 0.05, SIZES[column]) < expected
            scores[task] = float(correct.mean())
            cells.append(Cell(task, stage, scores[task], SIZES[column], "measured", 2.0))
            path = folder / f"{entry.label}-{seed}-{stage}-{task}.parquet"
            ids = [f"{task}/{number}" for number in range(SIZES[column])]
            pd.DataFrame({"id": ids, "correct": correct}).to_parquet(path)
            examples[entry.label, seed, 0, task] = path  # the last one stays
        cost = Cost(38.0 + random.random() * 4, 1240.0, trainable, 90_800_000 + stored * stage)
        cka = {"drift": 0.0 if entry.strategy == "isolated" else 0.08 * stage + 0.01 * random.random()}
        probes = {"cka": cka, "linear": {"accuracy": 0.9 - drop * stage / 8}}
        outcomes.append(StageOutcome(entry.label, seed, stage, TASKS[stage - 1], tuple(cells), cost, 0.9, probes))
    return outcomes, examples


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return invent(tmp_path_factory.mktemp("outcomes"))


@pytest.fixture(scope="session")
def report(record: Record) -> Report:
    return summarise(record)


@pytest.fixture(scope="session")
def one_seed(record: Record) -> Record:
    kept = tuple(outcome for outcome in record.outcomes if outcome.seed == 0)
    return replace(record, seeds=(0,), outcomes=kept)


@pytest.fixture(scope="session")
def half_way(record: Record) -> Record:
    """The first strategy has finished with seed 0, the second is at stage 2 of seed 0, the others have not begun."""
    first, second = (entry.label for entry in record.entries[:2])
    kept = tuple(
        outcome
        for outcome in record.outcomes
        if outcome.seed == 0 and (outcome.label == first or (outcome.label == second and outcome.stage <= 2))
    )
    return replace(record, outcomes=kept)


BASE = {"a": 0.9, "b": 0.8, "c": 0.7}
ORDERS = (("a", "b", "c"), ("c", "a", "b"))
RATES = {"sequential": 2e-5, "sequential-1e-05": 1e-5, "sequential-1e-04": 1e-4, "replay": 2e-5, "replay-1e-04": 1e-4}
REPLICATED = (
    Entry("isolated", "isolated", "lora", {"rank": 8, "learning_rate": 1e-3}),
    Entry("sequential", "sequential", "full", {"learning_rate": 2e-5}),
    Entry("sequential-1e-05", "sequential", "full", {"learning_rate": 1e-5}, "sequential"),
    Entry("sequential-1e-04", "sequential", "full", {"learning_rate": 1e-4}, "sequential"),
    Entry("replay", "replay", "full", {"memory": 50, "learning_rate": 2e-5}),
    Entry("replay-1e-04", "replay", "full", {"memory": 50, "learning_rate": 1e-4}, "replay"),
)
VALIDATION = {"sequential": 0.91, "sequential-1e-05": 0.85, "sequential-1e-04": 0.93, "replay": 0.9}


def score(label: str, seed: int, order: int, age: int, task: str) -> float:
    """Sequential loses 10 points a stage (20 in the other order), replay 2 (4 with seed 1), isolated nothing."""
    family = label.split("-")[0]
    drop = {"isolated": 0.0, "sequential": 0.1 * (1 + order), "replay": 0.02 * (1 + seed)}[family]
    pace, gain = {1e-5: (0.5, -0.05), 2e-5: (1.0, 0.0), 1e-4: (1.5, 0.01)}[RATES.get(label, 2e-5)]
    return round(BASE[task] + 0.01 * seed + gain - drop * pace * age, 6)


def probe_values(label: str, seed: int, order: int, stage: int) -> dict[str, dict[str, float]]:
    pace = {"isolated": 0.0, "sequential": 1.0}.get(label, 0.5)
    probes: dict[str, dict[str, float]] = {name: {} for name in ("linear", "cka", "knn", "head-refit", "agreement")}
    for age, task in enumerate(reversed(ORDERS[order][:stage])):
        for layer in range(3):
            probes["linear"][f"{task}/layer-{layer}"] = 0.9 - 0.02 * layer * age * pace - 0.01 * seed
            probes["cka"][f"{task}/layer-{layer}"] = 1 - 0.1 * layer * age * pace - 0.02 * seed * layer
        probes["knn"] |= {f"{task}/knn": 0.8 - 0.01 * age, f"{task}/prototype": 0.7}
        head = score(label, seed, order, age, task)
        probes["head-refit"] |= {f"{task}/head": head, f"{task}/refitted": head - 0.05 + 0.06 * age * pace}
        if age:
            probes["agreement"][f"{task}/changed"] = 0.1 * age * pace
    drift = {f"layer-{layer}/relative-norm": 0.01 * layer * stage * (pace + 0.1) for layer in range(3)}
    probes["weight-drift"] = {**drift, "layer-1/effective-rank": 5.0, "relative-norm": 0.02 * stage}
    probes["intruder"] = {"layer-1": 1.0 * stage * pace, "layer-2": 2.0 * stage * pace + seed, "total": 3.0}
    probes["general-loss"] = {"loss": 2.5 + 0.1 * stage * pace, "increase": 0.1 * stage * pace}
    return probes


def stages(folder: Path, label: str, seed: int, order: int) -> tuple[list[StageOutcome], dict[Any, Path]]:
    outcomes, examples = [], {}
    for stage, task in enumerate(ORDERS[order], start=1):
        cells = []
        for age, old in enumerate(reversed(ORDERS[order][:stage])):
            right = score(label, seed, order, age, old)
            cells.append(Cell(old, stage, right, 1000, "measured", 1.0))
            path = folder / f"{label}-{seed}-{order}-{stage}-{old}.parquet"
            pd.DataFrame({"id": range(1000), "correct": np.arange(1000) < round(1000 * right)}).to_parquet(path)
            examples[label, seed, order, old] = path  # the last one stays
        probes = {} if "1e-" in label else probe_values(label, seed, order, stage)
        cost = Cost(10.0, 512.0, 148_000 if label == "isolated" else 22_700_000, 90_000_000)
        validation = VALIDATION.get(label, 0.8) if stage == 1 else 0.99
        outcomes.append(StageOutcome(label, seed, stage, task, tuple(cells), cost, validation, probes, order, 3.0))
    return outcomes, examples


@pytest.fixture(scope="session")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Three strategies, two of them at other learning rates too, with two seeds in two orders."""
    folder = tmp_path_factory.mktemp("replicated")
    parts = [stages(folder, entry.label, seed, order) for entry in REPLICATED for seed in (0, 1) for order in (0, 1)]
    return Record(
        experiment="replicated",
        identity="replicated",
        backbone="minilm",
        tasks=ORDERS[0],
        test_sizes=(1000, 1000, 1000),
        majority=(0.2, 0.3, 0.1),
        seeds=(0, 1),
        orders=ORDERS,
        scenario="domain-incremental",
        entries=REPLICATED,
        reference="sequential",
        budget={"train_examples": 400, "epochs": 3},
        outcomes=tuple(outcome for outcomes, _ in parts for outcome in outcomes),
        provenance={"command": "workbench run replicated"},
        examples={key: path for _, examples in parts for key, path in examples.items()},
    )


@pytest.fixture(scope="session")
def replicated_report(replicated: Record) -> Report:
    return summarise(replicated)
