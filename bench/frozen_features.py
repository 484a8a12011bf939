"""What it saves to encode each row once: fits of ``head`` beside fits that run the frozen body in every step.

Three fits of each task and seed, one after another in one process: ``steps`` runs the body in each step, with dropout,
as the first revision of the method did; ``once`` reads each row once; ``again`` is the same fit once more, whose rows
are known. Times are those of the processor, which other work on the machine hardly changes.

``python -m bench.frozen_features hundred-tasks --tasks bbc-politics-sports,newsgroups-computers --out frozen.json``
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
import typer

from adapter_workbench.workbench.backbone.feature_store import FEATURES
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.memory import set_libraries_aside
from adapter_workbench.workbench.training import Lesson, head_alone, teach
from bench import program
from bench.single_task import plan_for


def main(
    context: typer.Context,
    recipe: program.Recipe,
    tasks: program.Tasks,
    epochs: str = typer.Option("3,10", help="Epochs of a fit, with commas."),
    seeds: program.Seeds = "0,1",
    out: program.Out = Path("frozen-features.json"),
) -> None:
    """Fit the head three times for each task, seed and number of epochs, and write seconds and validation scores."""
    torch.set_num_threads(1)
    set_libraries_aside()
    rows = []
    for length in map(int, epochs.split(",")):
        plan = plan_for(recipe, tasks, "head", {"epochs": length})
        teach(plan.lesson("head", plan.tasks[0], 0), Silent(), "warm-up")
        for task in plan.tasks:
            for seed in map(int, seeds.split(",")):
                fits = _three_fits(plan.lesson("head", task, seed))
                rows.append({"task": task.name, "seed": seed, "epochs": length, **fits})
    ratios = _ratios(rows)
    program.write(context, out, {"processor": program.processor()}, ratios=ratios, fits=rows)
    program.show(ratios)


def _three_fits(lesson: Lesson) -> dict[str, Any]:
    with _body_in_each_step():
        fits = {"steps": _timed(lesson)}
    FEATURES.clear()
    return fits | {name: _timed(lesson) for name in ("once", "again")}


@contextmanager
def _body_in_each_step() -> Iterator[None]:
    """Let a fit train the head as if the body were trained too: in training mode, and run for each batch."""
    with patch.object(head_alone, "frozen_body", lambda *_: nullcontext()):
        yield


def _timed(lesson: Lesson) -> dict[str, float | None]:
    began = time.process_time()
    _, record = teach(lesson, Silent(), lesson.task.name)
    return {"seconds": round(time.process_time() - began, 3), "validation": record.validated}


def _ratios(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return, by number of epochs, the median over fits of how many times as fast each of them is as ``steps``."""
    ratios: dict[str, dict[str, float]] = {}
    for length in sorted({row["epochs"] for row in rows}):
        some = [row for row in rows if row["epochs"] == length]
        ratios[str(length)] = {
            name: round(median(row["steps"]["seconds"] / row[name]["seconds"] for row in some), 1)
            for name in ("once", "again")
        }
    return ratios


if __name__ == "__main__":
    typer.run(main)
