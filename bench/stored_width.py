"""A language model of a billion parameters that computes in fp32: its weights in float32, or in bfloat16 as stored.

    python -m bench.stored_width --out docs/results/stored-width.json

The model is that of :mod:`bench.large`, and so is the peer, plain Trainer with peft: it has the weights in bfloat16 and
computes in bfloat16. Each side runs in a process of its own, one after another, without gradient checkpointing.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import typer

from bench import large, program

WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "workbench, weights: bf16": (large.SIDES[0], {"precision": "fp32", "weights": "bf16"}),
    "workbench, weights: fp32": (large.SIDES[0], {"precision": "fp32", "weights": "fp32"}),
    "trainer and peft": (large.SIDES[1], {}),
}
BUDGET = '{"train_examples": 8, "eval_examples": 4, "epochs": 1, "batch_size": 4, "max_length": 64}'
app = typer.Typer()


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    tasks: large.Tasks = "20news-0",
    shape: large.Shape = large.SHAPE,
    budget: large.Budget = BUDGET,
) -> None:
    """Run all sides, and print the table as JSON."""
    results: dict[str, Any] = program.known(out, "sides", empty={})
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        parameters = large.made(model, json.loads(shape))
        for name, (side, width) in WAYS.items():
            if name not in results:
                chosen = json.dumps({**json.loads(budget), **width})
                options = ["--tasks", tasks, "--budget", chosen, "--no-checkpointing"]
                child = [*program.ITSELF, "bench.large", "run-side", side, str(model), *options]
                output = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
                results[name] = json.loads(output.splitlines()[-1])
            program.write(context, out, parameters=parameters, sides=results)
    program.show(results)


if __name__ == "__main__":
    app()
