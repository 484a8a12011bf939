"""Whether a stream decides on any processor: the same recipe and seeds again, with numbers that round otherwise.

A processor changes a result by how it rounds: training takes a difference in the last bit for the start of another
course. Each run here rounds otherwise, and nothing else differs: another type of the matrix products, torch held to
older instructions, or the last bit of every weight of the backbone drawn anew.

``python -m bench.first_look quickstart --out first-look.json``
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.measures.statistics import paired_t_test
from adapter_workbench.workbench.settings.base import read
from bench import program

METRICS = ("forgetting", "average_accuracy", "learning_accuracy")
INSTRUCTIONS = "ATEN_CPU_CAPABILITY"  # the largest set that torch may use
COUNTS = {"fp32": 4, "bf16": 16}  # runs: in fp32 all gave the same scores to the last example


@dataclass(frozen=True)
class Rounding:
    """How one run rounds.

    Attributes:
        precision: of matrix products, as the budget has it.
        instructions: the largest set that torch may use; empty for the machine's own.
        bits: seed with which the last bit of every weight of the backbone is drawn; None for the weights as they are.
    """

    precision: str
    instructions: str = ""
    bits: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a process round so."""
        return {**os.environ, **({INSTRUCTIONS: self.instructions} if self.instructions else {})}


def roundings() -> list[Rounding]:
    """Return twenty: four in fp32 and sixteen in bf16; two of each with the weights as they are."""
    return [
        rounding
        for precision, count in COUNTS.items()
        for rounding in (
            Rounding(precision),
            Rounding(precision, "avx2"),
            *(Rounding(precision, bits=seed) for seed in range(count - 2)),
        )
    ]


def redrawn(weights: Path, seed: int) -> dict[str, Tensor]:
    """Return the tensors of a file, each float32 number moved to the next larger or the next smaller one, or not."""
    generator = torch.Generator().manual_seed(seed)
    tensors = load_file(weights)
    for name, tensor in tensors.items():
        if tensor.dtype == torch.float32:
            side = torch.randint(-1, 2, tensor.shape, generator=generator)
            tensors[name] = torch.nextafter(tensor, tensor + side)  # to itself where the side is 0
    return tensors


@contextmanager
def backbone(name: str, bits: int | None) -> Iterator[str]:
    """Yield the backbone to name in a recipe: ``name`` itself, or a folder with other last bits.

    A folder is pooled by its mean if it does not say otherwise, as MiniLM is.
    """
    if bits is None:
        yield name
        return
    opened = open_backbone(name)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / opened.folder.name
        shutil.copytree(opened.folder, folder)
        for file in folder.glob("*.safetensors"):
            save_file(redrawn(file, bits), file, {"format": "pt"})
        yield str(folder)


def measure(recipe: str, rounding: Rounding, settings: list[str]) -> dict[str, Any]:
    """Return what a recipe reports when everything is rounded so, and how long the run took.

    ``p`` is that of the reference's forgetting against 0, by the t-test over seeds. It is also that of the comparison
    with a strategy that forgets exactly 0. ``verdicts`` are those of the report, with their readings.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    name = str(read(RECIPES.path(recipe) if recipe in RECIPES.names() else Path(recipe)).data["backbone"])
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as workspace, backbone(name, rounding.bits) as opened:
        where = ["--workspace", workspace]
        changes = [*settings, f"budget.precision={rounding.precision}", f"backbone={opened}"]
        _workbench(rounding, "run", recipe, *(word for change in changes for word in ("--set", change)), *where)
        seconds = time.perf_counter() - began
        (experiment,) = (entry["name"] for entry in json.loads(_workbench(rounding, "report", "--json", *where)))
        report = json.loads(_workbench(rounding, "report", experiment, "--json", *where))
    scores = {
        label: {metric: strategy["metrics"][metric] for metric in METRICS}
        for label, strategy in report["strategies"].items()
    }
    p = paired_t_test(scores[report["reference"]]["forgetting"]["values"])
    report_parts = {"verdict": report["verdict"], "verdicts": report["verdicts"], "p": p, "scores": scores}
    return {**asdict(rounding), "seconds": seconds, **report_parts}


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
    finished = [{name: run[name] for name in asdict(Rounding(""))} for run in runs]
    for rounding in roundings():
        if asdict(rounding) not in finished:
            runs.append(measure(recipe, rounding, settings or []))
            program.write(context, out, runs=runs)
            typer.echo(f"{len(runs)}: {runs[-1]['verdict']} p = {runs[-1]['p']:.2g}", err=True)


if __name__ == "__main__":
    typer.run(main)
