"""How long does the first answer of an adapter take whose weights are not in memory, beside one whose are?

    python -m bench.cold_adapters --out FILE.json

LoRAs with different weights, copies of one on MiniLM, are served by `workbench serve` with `--lora-memory` for a few of
them. One client asks one adapter after another about one text, round and round, each twice in a row: at first it is
the one that was not asked for the longest, and has to be read from its file (cold); then it is in memory (warm). The
files themselves are in the system's cache, as they were written not long before.

Beside the milliseconds that the client waits stands the processor time that the server takes, which says more on a
machine that is busy with other work.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import requests
import typer

from adapter_workbench.experiments.api import Workbench
from bench import program
from bench.copied_adapters import copy_adapter, originals
from bench.serve_load import PATIENCE, TEXT, percentiles
from bench.served_adapters import serving

PARTS = {"median": 0.5, "p95": 0.95}
AIM = 50  # milliseconds, in which a cold adapter answers
NANOSECONDS = 1e6  # in a millisecond


def main(
    context: typer.Context,
    out: program.Out,
    adapters: Annotated[int, typer.Option(min=2, help="LoRAs that are served.")] = 128,
    lora_memory: Annotated[int, typer.Option(min=0, help="Megabytes of LoRAs in the server's memory.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="How often each adapter is asked cold.")] = 4,
) -> None:
    """Make the adapters, serve, ask, and print what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (lora,) = originals(folder, ["lora"])
        store = Workbench(folder / "workspace").workspace.adapters
        tasks = [f"lora-{number:04d}" for number in range(adapters)]
        for task in tasks:
            copy_adapter(lora, store, task)
        with serving(folder, "--lora-memory", str(lora_memory)) as (url, process):
            answers = cold_and_warm(url, process, tasks, rounds)
    program.write(context, out, {"processor": program.processor()}, first_answers=answers)
    program.show(answers)


def cold_and_warm(url: str, process: int, tasks: list[str], rounds: int) -> dict[str, Any]:
    """Return the waits and the server's processor time of requests for adapters out of memory and in it.

    The first round is left out: it fills the memory.
    """
    taken: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    with requests.Session() as session:
        for turn in range(rounds + 1):
            for task in tasks:
                costs = [_ask(session, url, process, task) for _ in taken]
                for waits, cost in zip(taken.values(), costs if turn else (), strict=False):
                    waits.append(cost)
    return {name: _summary(waits) for name, waits in taken.items()}


def _ask(session: requests.Session, url: str, process: int, task: str) -> tuple[float, float]:
    """Return the milliseconds that an answer took, by the clock and of the server's processor."""
    busy, began = _processor_ms(process), perf_counter()
    session.post(f"{url}/predict", json={"texts": [TEXT], "task": task}, timeout=PATIENCE).raise_for_status()
    return 1000 * (perf_counter() - began), _processor_ms(process) - busy


def _processor_ms(process: int) -> float:
    """Return the processor time of all threads that a process has now, as Linux counts it."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / NANOSECONDS


def _summary(waits: list[tuple[float, float]]) -> dict[str, Any]:
    clock, processor = zip(*waits, strict=True)
    return {
        "answers": len(waits),
        **{f"{name}_ms": wait for name, wait in percentiles(clock, PARTS).items()},
        **{f"{name}_cpu_ms": wait for name, wait in percentiles(processor, PARTS).items()},
        "in_time": round(sum(wait < AIM for wait in clock) / len(clock), 3),
    }


if __name__ == "__main__":
    typer.run(main)
