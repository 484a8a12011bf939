"""Full fine-tuning, LoRA and QLoRA side by side: score, memory of a training step, time.

    python -m bench.quantised compare --out docs/results/quantised.json

One language model learns one task in several ways, each in a process of its own, since what a process once held is
not all given back. The memory is that of a step on a batch of the longest texts (see
:mod:`.measuring`), beside what the cost model predicts for that batch. Finished ways in the file are
kept.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.files.digest import size
from adapter_workbench.workbench.training.cost_model import MB, Workload
from adapter_workbench.workbench.training.measuring import measure
from bench import program

if TYPE_CHECKING:
    from adapter_workbench.workbench.training import Lesson

FULL, LORA = {"learning_rate": 5e-5}, {"learning_rate": 2e-3}  # LoRA's is that of the recipe reasoning-3
# way → method, further settings
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("full", FULL),
    "full, 8-bit AdamW": ("full", {**FULL, "optimizer": "adamw-8bit"}),
    "lora": ("lora", LORA),
    "lora on int8": ("lora", {**LORA, "budget": {"quantization": "int8"}}),
    "qlora (nf4)": ("lora", {**LORA, "budget": {"quantization": "nf4"}}),
}
app = typer.Typer()


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    task: Annotated[str, typer.Option(help="Name of a task.")] = "reasoning-gym-word-reversal",
    backbone: Annotated[str, typer.Option(help="Registered name, hub id or folder.")] = "smollm2",
    budget: Annotated[str, typer.Option(help="Budget of every way, as JSON.")] = json.dumps(
        {"train_examples": 300, "eval_examples": 60, "validation_examples": 24, "batch_size": 8, "max_length": 192}
    ),
    ways: Annotated[str, typer.Option(help="Which of them, with semicolons.")] = ";".join(WAYS),
    train: Annotated[bool, typer.Option(help="Train and test too, or measure steps alone.")] = True,
) -> None:
    """Measure and train every way in a process of its own, and print the table as JSON."""
    options = ["--task", task, "--backbone", backbone, "--budget", budget, "--train" if train else "--no-train"]
    results = program.known(out, "ways", empty={})
    for way in ways.split(";"):
        if way not in results:
            child = [*program.ITSELF, "bench.quantised", "run-way", way, *options]
            results[way] = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout)
        program.write(context, out, ways=results)
    program.show(results)


@app.command()
def run_way(
    way: str,
    task: Annotated[str, typer.Option()],
    backbone: Annotated[str, typer.Option()],
    budget: Annotated[str, typer.Option()],
    train: Annotated[bool, typer.Option()] = True,
) -> None:
    """Measure and train one way, and print what was found."""
    method, settings = WAYS[way]
    given = {**settings, "budget": {**json.loads(budget), **settings.get("budget", {})}}
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(Path(folder))
        lesson = workbench.lesson(task, method, backbone, **given)
        adaptation = lesson.adaptation
        cost = measure(adaptation, lesson.task, lesson.budget)
        predicted = Workload.of(adaptation, cost.texts, cost.length, cost.label_tokens).predict()
        result = {
            **(_learned(workbench, lesson) if train else {}),
            "measured": {**asdict(cost), "step_mb": cost.step_mb},
            "predicted": predicted.as_json(),
            "backbone_mb": round(predicted.weights / MB, 1),
        }
    typer.echo(json.dumps(result))


def _learned(workbench: Workbench, lesson: Lesson) -> dict[str, Any]:
    trained = workbench.train(lesson)
    fit = trained.adapter.manifest.own_fit
    return {
        "test": trained.test.scores,
        "validation": fit.validation,
        "majority": trained.majority,
        "seconds": round(fit.seconds, 1),
        "trainable_parameters": fit.trainable_parameters,
        "stored_bytes": size(trained.adapter.folder),
    }


if __name__ == "__main__":
    app()
