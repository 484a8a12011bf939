"""A record that was made up for these tests: plausible numbers, none of them measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from experiments.record import Contender, Record
from experiments.report.summary import summarise
from workbench.contracts import Cell, Cost, StageOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.report.document import Report

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
CONTENDERS = (
    Contender("lora-isolated", "isolated", "lora", {"rank": 8}),
    Contender("full-sequential", "sequential", "full", {}),
    Contender("lora-sequential", "sequential", "lora", {"rank": 8}),
    Contender("full-replay", "replay", "full", {"memory": 50}),
    Contender("full-joint", "joint", "full", {}),
)


def invent(folder: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> Record:
    """Return a whole record whose scores are the means of the outcomes that it writes into ``folder``."""
    outcomes: list[StageOutcome] = []
    examples: dict[tuple[str, int, int, str], Path] = {}
    for contender in CONTENDERS:
        for seed in seeds:
            found, files = _stream(folder, contender, seed)
            outcomes += found
            examples |= files
    return Record(
        experiment="made-up",
        backbone="minilm",
        tasks=TASKS,
        test_sizes=SIZES,
        majority=MAJORITY,
        seeds=seeds,
        contenders=CONTENDERS,
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


def _stream(
    folder: Path, contender: Contender, seed: int
) -> tuple[list[StageOutcome], dict[tuple[str, int, int, str], Path]]:
    drop, gain, trainable, stored = SHAPES[contender.label]
    random = np.random.default_rng([seed, *contender.label.encode()])
    outcomes, examples = [], {}
    scores: dict[str, float] = {}
    for stage in range(1, len(TASKS) + 1):
        cells = []
        for column, task in enumerate(TASKS[:stage] if contender.strategy != "joint" else TASKS):
            if contender.strategy == "joint" and stage < len(TASKS):
                continue
            learned_at = column + 1
            if contender.strategy == "isolated" and stage > learned_at:
                status = "verified" if stage == len(TASKS) else "carried"
                cells.append(Cell(task, stage, scores[task], SIZES[column], status, 2.1 * (status == "verified")))
                continue
            age = 0 if contender.strategy == "joint" else stage - learned_at
            expected = max(LEARNED[column] + gain - drop * age**0.8, MAJORITY[column])
            # the same examples are hard for everyone: a latent difficulty, shared noise, a little noise of their own
            difficulty = np.random.default_rng(column).random(SIZES[column])
            correct = difficulty + random.normal(0, 0.05, SIZES[column]) < expected
            scores[task] = float(correct.mean())
            cells.append(Cell(task, stage, scores[task], SIZES[column], "measured", 2.0))
            path = folder / f"{contender.label}-{seed}-{stage}-{task}.parquet"
            ids = [f"{task}/{number}" for number in range(SIZES[column])]
            pd.DataFrame({"id": ids, "correct": correct}).to_parquet(path)
            examples[contender.label, seed, stage, task] = path
        cost = Cost(38.0 + random.random() * 4, 1240.0, trainable, 90_800_000 + stored * stage)
        cka = {"drift": 0.0 if contender.strategy == "isolated" else 0.08 * stage + 0.01 * random.random()}
        probes = {"cka": cka, "linear": {"accuracy": 0.9 - drop * stage / 8}}
        outcomes.append(StageOutcome(contender.label, seed, stage, TASKS[stage - 1], tuple(cells), cost, 0.9, probes))
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
    first, second = (contender.label for contender in record.contenders[:2])
    kept = tuple(
        outcome
        for outcome in record.outcomes
        if outcome.seed == 0 and (outcome.strategy == first or (outcome.strategy == second and outcome.stage <= 2))
    )
    return replace(record, outcomes=kept)
