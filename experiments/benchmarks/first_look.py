"""Whether a stream decides on any processor: the same recipe and seeds again, with sums that round otherwise.

A processor changes a result by how it rounds: by the type of its matrix products, by the instructions that add them,
and by the number of threads that a sum is divided among. Each run here changes these and nothing else.

``python -m experiments.benchmarks.first_look quickstart --out first-look.json``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from experiments.benchmarks import program
from workbench.statistics import paired_t_test

METRICS = ("forgetting", "average_accuracy", "learning_accuracy")
VECTORS = {"torch": "ATEN_CPU_CAPABILITY", "oneDNN": "ONEDNN_MAX_CPU_ISA"}  # library → variable that bounds it


@dataclass(frozen=True)
class Rounding:
    """How one run rounds.

    Attributes:
        precision: of matrix products, as the budget has it.
        threads: that a sum is divided among; more than there are cores is allowed.
        instructions: library → the largest instruction set that it may use; empty for the machine's own.
    """

    precision: str
    threads: int
    instructions: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a process round so."""
        bounds = {VECTORS[library]: name for library, name in self.instructions.items()}
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), **bounds}


def roundings() -> list[Rounding]:
    """Return twenty: eight in fp32, twelve in bf16; half of each with no more than AVX2 in torch."""
    settings = [("fp32", threads) for threads in range(1, 5)] + [("bf16", threads) for threads in range(1, 7)]
    return [Rounding(*setting, bound) for bound in ({}, {"torch": "avx2"}) for setting in settings]


def measure(recipe: str, rounding: Rounding, settings: list[str]) -> dict[str, Any]:
    """Return what a recipe reports when everything is rounded so, and how long the run took.

    ``p`` is that of the reference's forgetting against 0, by the t-test over seeds. It is also that of the comparison
    with a strategy that forgets exactly 0.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as workspace:
        where = ["--workspace", workspace]
        changes = [*settings, f"budget.precision={rounding.precision}"]
        _workbench(rounding, "run", recipe, *(word for change in changes for word in ("--set", change)), *where)
        seconds = time.perf_counter() - began
        (name,) = (entry["name"] for entry in json.loads(_workbench(rounding, "report", "--json", *where)))
        report = json.loads(_workbench(rounding, "report", name, "--json", *where))
    scores = {
        name: {metric: strategy["metrics"][metric] for metric in METRICS}
        for name, strategy in report["strategies"].items()
    }
    forgot = scores[report["reference"]]["forgetting"]["values"]
    verdict = {"verdict": report["verdict"], "p": paired_t_test(forgot)}
    return {**asdict(rounding), "seconds": seconds, **verdict, "scores": scores}


def _workbench(rounding: Rounding, *words: str) -> str:
    command = [sys.executable, "-m", "adapter_workbench", *words]
    done = subprocess.run(command, env=rounding.environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main(
    context: typer.Context,
    recipe: program.Recipe,
    out: program.KeptOut,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of the recipe: key=value.")
    ] = None,
) -> None:
    """Run a recipe under twenty roundings, one after the other; what is finished in the file is kept."""
    runs: list[dict[str, Any]] = program.known(out, "runs", [])
    finished = [{name: run[name] for name in ("precision", "threads", "instructions")} for run in runs]
    for rounding in roundings():
        if asdict(rounding) not in finished:
            runs.append(measure(recipe, rounding, settings or []))
            program.write(context, out, runs=runs)
            typer.echo(f"{len(runs)}: {runs[-1]['verdict']} p = {runs[-1]['p']:.2g}", err=True)


if __name__ == "__main__":
    typer.run(main)
