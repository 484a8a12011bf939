"""What do two machines of one core gain over one? The same recipe inline and on two nodes of Ray's.

    python -m bench.efficiency compare --out docs/results/efficiency.json

Where Ray may not talk over the machine's own address, give it a network with nothing but loopback:
``unshare --net sh -c 'ip link set lo up && exec "$@"' sh python -m bench.efficiency …``.

Each run has a workspace of its own and one thread a process:

- ``alone``: inline, on the first core, with nothing on the second;
- ``beside``: inline on each of both cores at the same time, in two processes that know nothing of each other: what the
  cores give when both are busy. Where they are two threads of one physical core, that is much less than twice;
- ``cluster``: one run on two nodes of one core each.

The ways take turns of some seconds, and all processes of the others are stopped meanwhile: the speed of a machine that
it shares with others changes within minutes, and so it is the same for all of them.

Efficiency is seconds alone ÷ (2 × seconds on the cluster), and the same with the mean of ``beside`` in place of
``alone``, which leaves the cores out of it. Seconds count from the beginning of the first fit to the end of the report,
those in which a run is stopped left out; what comes before is counted apart, as ``starting``.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import fmean
from typing import IO, Annotated, Any

import psutil
import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.machine.listener import Silent
from bench import program

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
        self.began = time.monotonic()
        self.first: float | None = None

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Take down the first."""
        self.first = self.first or time.monotonic()
        yield lambda step, epoch, loss: None

    def moments(self) -> dict[str, float]:
        """Return when the run began, its first fit began, and now: seconds that all processes of a machine share."""
        assert self.first is not None
        return {"began": self.began, "first": self.first, "end": time.monotonic()}


class Way:
    """A way to run a recipe: its processes, and when they were not stopped."""

    def __init__(self, name: str, recipe: str, settings: str) -> None:
        """Prepare it; nothing begins yet."""
        self._way, self._cores = WAYS[name]
        self._arguments = [recipe, settings]
        self._processes: list[subprocess.Popen[str]] = []
        self._outputs = [tempfile.TemporaryFile("w+") for _ in self._cores]  # noqa: SIM115
        self._awake: list[tuple[float, float]] = []

    @property
    def ended(self) -> bool:
        """Whether its processes have come to their end."""
        return bool(self._processes) and all(process.poll() is not None for process in self._processes)

    def take_turn(self, core_seconds: float, alone: bool) -> None:
        """Begin or go on for a while; then stop, unless there is nothing else to do."""
        stopped = self._tree()
        began = time.monotonic()
        self._processes = self._processes or [*map(self._begun, self._cores, self._outputs)]
        send(stopped, signal.SIGCONT)
        while not self.ended and (alone or time.monotonic() < began + core_seconds / self._width):
            time.sleep(0.01)
        send(self._tree(), signal.SIGSTOP)
        self._awake.append((began, time.monotonic()))
        send(self._tree(), signal.SIGSTOP)  # what was started meanwhile

    def times(self) -> list[dict[str, float]]:
        """Return how long each of its processes took, those times left out in which it was stopped."""
        stamps = []
        for process, output in zip(self._processes, self._outputs, strict=True):
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, process.args)
            output.seek(0)
            stamps.append(json.loads(output.read().splitlines()[-1]))
        return [
            {
                "seconds": self._within(when["first"], when["end"]),
                "starting": self._within(when["began"], when["first"]),
            }
            for when in stamps
        ]

    def end(self) -> None:
        """End all of its processes."""
        send(self._tree(), signal.SIGKILL)

    @property
    def _width(self) -> int:
        """How many cores it uses: a way that uses both takes about half as long, so its turns are half as long."""
        return 1 if self._cores == CORES[:1] else len(CORES)

    def _begun(self, core: int | None, output: IO[str]) -> subprocess.Popen[str]:
        """Begin a run in a process of its own, with one thread."""
        command = [*program.ITSELF, "bench.efficiency", self._way, *self._arguments]
        command += [] if core is None else [str(core)]
        own = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        return subprocess.Popen(command, stdout=output, text=True, env={**os.environ, **own})

    def _tree(self) -> list[psutil.Process]:
        """Return its processes that are there, and all that they have started."""
        tree = []
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                own = psutil.Process(process.pid)
                tree += [own, *own.children(recursive=True)]
        return tree

    def _within(self, first: float, last: float) -> float:
        return round(sum(max(0.0, min(end, last) - max(begin, first)) for begin, end in self._awake), 1)


def send(processes: Iterable[psutil.Process], what: signal.Signals) -> None:
    """Send a signal to processes, as far as they are there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(what)


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    recipe: Annotated[str, typer.Option(help="Name or path of a recipe.")] = RECIPE,
    settings: Annotated[
        str, typer.Option(help="Its settings, as --set takes them, in one text, quoted as in a shell.")
    ] = THIRD,
    ways: Annotated[str, typer.Option(help="Which of the three, with commas.")] = ",".join(WAYS),
    turn: Annotated[float, typer.Option(min=1, help="Seconds of a turn; half of it where both cores are used.")] = 10,
) -> None:
    """Run the recipe in the three ways, in turns, and print how long each took."""
    going = {name: Way(name, recipe, settings) for name in ways.split(",")}
    runs: dict[str, Any] = {}
    try:
        while going:
            for name, way in [*going.items()]:
                way.take_turn(turn, alone=len(going) == 1)
                if way.ended:
                    runs[name] = going.pop(name).times()
    finally:
        for way in going.values():
            way.end()
    program.write(context, out, runs=runs, efficiency=efficiency(runs))
    program.show({"runs": runs, "efficiency": efficiency(runs)})


def efficiency(runs: dict[str, Any]) -> dict[str, float]:
    """Return seconds inline ÷ (2 × seconds on the cluster), for each inline way that was measured beside a cluster."""
    seconds = {name: fmean(run["seconds"] for run in many) for name, many in runs.items()}
    inline_ways = [name for name in ("alone", "beside") if name in runs and "cluster" in runs]
    return {name: round(seconds[name] / (2 * seconds["cluster"]), 3) for name in inline_ways}


@app.command()
def inline(recipe: str, settings: str, core: int) -> None:
    """Run the recipe in this process, on one core, and print when."""
    os.sched_setaffinity(0, {core})
    typer.echo(json.dumps(_run(recipe, settings, None)))


@app.command()
def cluster(recipe: str, settings: str) -> None:
    """Run the recipe on two nodes of one core each, and print when."""
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    for _ in CORES:
        nodes.add_node(num_cpus=1, object_store_memory=STORE, include_dashboard=False)
    typer.echo(json.dumps(_run(recipe, settings, nodes.address)))


def _run(recipe: str, settings: str, address: str | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(Path(folder) / "workspace")
        plan = workbench.plan(recipe, shlex.split(settings))
        workbench.listener = clock = Clock()
        workbench.run(plan, cluster=address)
        return clock.moments()


if __name__ == "__main__":
    app()
