"""How often is `workbench examine` wrong, and how large a loss does it find with how many rows?

    python -m bench.examine_errors --out docs/results/examine-errors.json

A small set of models is asked once: one model trained with many seeds, the pretrained model, and damaged copies of it.
Which test rows each answers right is kept in the workspace, model by model, so that the program continues where it was
stopped. Everything else is drawn from these answers, with the functions that the report uses.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import torch
import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.stream.plan.examination import OF_ENCODERS
from adapter_workbench.tasks.loading import registry
from bench import examine_rates, program
from bench.examined_models import AGAINST, EXAMPLES, NOISE, RATE, SCALES, SEED, Circumstances, measured

EXAMINED = ",".join(OF_ENCODERS)


def main(
    context: typer.Context,
    out: program.Out,
    workspace: program.Workspace = None,
    backbone: Annotated[str, typer.Option(help="Registered name, hub id or folder.")] = "minilm",
    tasks: program.Tasks = EXAMINED,
    trained_on: Annotated[str, typer.Option(help="Task that the seeds are trained on.")] = "20news-3",
    seeds: Annotated[int, typer.Option(help="Trainings; each two of them are a pair.")] = 21,
    sizes: Annotated[str, typer.Option(help="Training rows of heads; the largest: of the test too.")] = "100,400",
    max_length: Annotated[int, typer.Option(help="Of a text, in tokens.")] = 32,
    draws: Annotated[int, typer.Option(help="Examinations for each rate of a population.")] = 1000,
) -> None:
    """Ask the models that were not asked yet, draw examinations of their answers, and write the rates."""
    torch.set_num_threads(1)  # the same sums on any machine of one kind
    workbench = Workbench(workspace, registry.user_folders())
    loaded = tuple(registry.load(registry.find(name, workbench.task_folders)) for name in tasks.split(","))
    heads = tuple(int(size) for size in sizes.split(","))
    circumstances = Circumstances(workbench, backbone, loaded, trained_on, heads, max_length)
    models = {}
    for name, answers in measured(circumstances, seeds):
        models[name] = answers
        typer.echo(f"{name}: asked", err=True)
    trained = [answers for name, answers in models.items() if name.startswith(SEED)]
    others = {name: answers for name, answers in models.items() if not name.startswith(SEED)}
    random = np.random.default_rng(0)
    populations = examine_rates.populations(others, heads)
    results: dict[str, Any] = {
        "settings": settings(circumstances),
        "scores": {name: examine_rates.scores(answers) for name, answers in models.items()},
        "false_alarms": examine_rates.false_alarms(random, trained, heads, draws),
        "seeds_apart": examine_rates.seeds_apart(trained, max(heads)),
        **examine_rates.detection(random, populations, draws),
    }
    results["rows_that_find"] = {
        points: examine_rates.rows_that_find(results["detection"], points) for points in examine_rates.BINS
    }
    program.write(context, out, **results)
    program.show({name: results[name] for name in ("false_alarms", "detection")})


def settings(circumstances: Circumstances) -> dict[str, Any]:
    """Return what is fixed in the programs, and named on the page."""
    return {
        "tasks": [task.name for task in circumstances.tasks],
        "trained_on": {"task": circumstances.trained_on, "examples": EXAMPLES, "learning_rate": RATE},
        "noise": NOISE,
        "scales": SCALES,
        "against": AGAINST,
        "bins": examine_rates.BINS,
        "bound": examine_rates.BOUND,
        "found": examine_rates.FOUND,
        "rules": {name: asdict(rule) for name, rule in examine_rates.RULES.items()},
    }


if __name__ == "__main__":
    typer.run(main)
