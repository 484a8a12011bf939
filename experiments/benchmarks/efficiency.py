"""What do two machines of one core gain over one? The same recipe inline and on two nodes of Ray's.

    python -m experiments.benchmarks.efficiency compare --out docs/results/efficiency.json

Where Ray may not talk over the machine's own address, give it a network with nothing but loopback:
``unshare --net sh -c 'ip link set lo up && exec "$@"' sh python -m experiments.benchmarks.efficiency …``.

Each run has a workspace of its own and one thread a process:

- ``alone``: inline, on the first core, with nothing on the second;
- ``beside``: inline on each of both cores at the same time, in two processes that know nothing of each other: what the
  cores give when both are busy. Where they are two threads of one physical core, that is much less than twice;
- ``cluster``: one run on two nodes of one core each.

Efficiency is seconds alone ÷ (2 × seconds on the cluster), and the same with the mean of ``beside`` in place of
``alone``, which leaves the cores out of it. Seconds count from the beginning of the first fit to the end of the report;
what comes before is counted apart, as ``starting``. Where the speed of a machine changes, ``--times`` runs each way
several times, in turn; the efficiency is that of the mean seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from experiments.api import Workbench
from experiments.benchmarks import program
from workbench.interpreter import PYTHON
from workbench.listener import Silent

RECIPE = "20news-10"
THIRD = "budget.train_examples=66 budget.eval_examples=50 seeds=[0] tune=0 frontier={}"
CORES = (0, 1)
STORE = 100_000_000  # bytes of each node's object store
WAYS: dict[str, tuple[str, tuple[int | None, ...]]] = {  # name → how a run is begun, and on which core each process is
    "alone": ("inline", CORES[:1]),
    "cluster": ("cluster", (None,)),
    "beside": ("inline", CORES),
}
app = typer.Typer()


class Clock(Silent):
    """Takes down when the first fit begins."""

    def __init__(self) -> None:
        """Begin to count what comes before it."""
        self.began = time.perf_counter()
        self.first: float | None = None

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Take down the first."""
        self.first = self.first or time.perf_counter()
        yield lambda step, epoch, loss: None

    def told(self) -> dict[str, float]:
        """Return the seconds since the first fit began, and those before."""
        assert self.first is not None
        end = time.perf_counter()
        return {"seconds": round(end - self.first, 1), "starting": round(self.first - self.began, 1)}


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    recipe: Annotated[str, typer.Option(help="Name or path of a recipe.")] = RECIPE,
    settings: Annotated[
        str, typer.Option(help="Its settings, as --set takes them, in one text, quoted as in a shell.")
    ] = THIRD,
    ways: Annotated[str, typer.Option(help="Which of the three, with commas.")] = ",".join(WAYS),
    times: Annotated[int, typer.Option(min=1, help="How often each; the ways take turns.")] = 1,
) -> None:
    """Run the recipe in the three ways, and print how long each took."""
    runs: dict[str, Any] = program.known(out, "runs", empty={})
    for turn, name in product(range(times), ways.split(",")):
        way, cores = WAYS[name]
        if len(runs.get(name, ())) <= turn * len(cores):
            took = _together([_begun(way, recipe, settings, core) for core in cores])
            runs.setdefault(name, []).extend(took)
            program.write(context, out, runs=runs, efficiency=efficiency(runs))
    program.show({"runs": runs, "efficiency": efficiency(runs)})


def efficiency(runs: dict[str, Any]) -> dict[str, float]:
    """Return seconds inline ÷ (2 × seconds on the cluster), for each inline way that was measured beside a cluster."""
    seconds = {name: fmean(run["seconds"] for run in many) for name, many in runs.items()}
    inline_ways = [name for name in ("alone", "beside") if name in runs and "cluster" in runs]
    return {name: round(seconds[name] / (2 * seconds["cluster"]), 3) for name in inline_ways}


@app.command()
def inline(recipe: str, settings: str, core: int) -> None:
    """Run the recipe in this process, on one core, and print how long it took."""
    os.sched_setaffinity(0, {core})
    typer.echo(json.dumps(_run(recipe, settings, None)))


@app.command()
def cluster(recipe: str, settings: str) -> None:
    """Run the recipe on two nodes of one core each, and print how long it took."""
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    for _ in CORES:
        nodes.add_node(num_cpus=1, object_store_memory=STORE, include_dashboard=False)
    typer.echo(json.dumps(_run(recipe, settings, nodes.address)))


def _run(recipe: str, settings: str, address: str | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(Path(folder) / "workspace")
        plan = bench.plan(recipe, shlex.split(settings))
        bench.listener = clock = Clock()
        bench.run(plan, cluster=address)
        return clock.told()


def _begun(way: str, recipe: str, settings: str, core: int | None) -> subprocess.Popen[str]:
    """Begin a run in a process of its own, with one thread."""
    command = [*PYTHON, "-m", "experiments.benchmarks.efficiency", way, recipe, settings]
    command += [] if core is None else [str(core)]
    own = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **own})


def _together(processes: list[subprocess.Popen[str]]) -> list[dict[str, float]]:
    """Return what processes tell in their last lines."""
    outputs = [process.communicate()[0] for process in processes]
    for process in processes:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return [json.loads(output.splitlines()[-1]) for output in outputs]


if __name__ == "__main__":
    app()
