"""What does an adapter cost a server, beside the bare backbone and beside all the others that are served?

    python -m bench.adapter_tax --out FILE.json

One LoRA is learned from next to nothing (16 examples, one step), and copied with other weights, a task for each copy;
with `--method pfeiffer` it is a bottleneck adapter.
`workbench serve` serves them all from one process, and clients ask for adapters that are drawn among few or many:

backbone    all requests are for a head on the frozen backbone, which has no adapter
one         all requests are for the same adapter
uniform-N   each request is for one of N adapters, all equally likely
zipf-N      the same, the k-th with a probability proportional to 1 ÷ k
reload      as uniform of all, while one adapter after another is replaced by a new one, each with a reload

Beside throughput and latency stands the processor time that the server took for a text. On a machine that is busy with
other work, this alone can be compared between parts. ``…_by_one`` and ``…_by_backbone`` are a part's answers a second
in relation to those of another part, once by the clock and once by the processor's time.

Memory is that of the server's process, with all adapters and with two. Clients and server share the machine, and the
server listens on the loopback interface alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer

from adapter_workbench.experiments.api import Workbench
from bench import program
from bench.copied_adapters import copy_adapter, originals
from bench.growth import resident
from bench.serve_load import load
from bench.served_adapters import START, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

BARE = "backbone"


def main(
    context: typer.Context,
    out: program.Out,
    method: Annotated[str, typer.Option(help="Of the adapters: lora, or pfeiffer.")] = "lora",
    adapters: Annotated[
        str, typer.Option(help="Among how many of them is drawn, with commas, the most last.")
    ] = "20,128,1024",
    reloads: Annotated[int, typer.Option(min=1, help="Adapters that are replaced.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at the same time.")] = 4,
    texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="How long each part takes.")] = 20.0,
) -> None:
    """Make the adapters, serve, ask, and print what came of it."""
    counts = [int(count) for count in adapters.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        original, head = originals(folder, [method, "head"])
        store = Workbench(folder / "workspace").workspace.adapters
        tasks = [f"{method}-{number:04d}" for number in range(counts[-1])]
        for adapter, task in [(head, BARE), *((original, task) for task in tasks[:2])]:
            copy_adapter(adapter, store, task)
        with serving(folder) as (_, process):
            little = resident(process)
        for task in tasks[2:]:
            copy_adapter(original, store, task)
        began = time.perf_counter()
        with serving(folder) as (url, process):
            started, much = time.perf_counter() - began, resident(process)

            def measured(drawn: list[str], shares: Sequence[float] | None = None) -> dict[str, Any]:
                before = _cpu_seconds(process)
                part = load(url, drawn, clients, seconds, texts=texts, shares=shares)
                answered = (part["codes"].get("200", 0) + clients) * texts  # the first of each client is not counted
                return {**part, "cpu_ms_per_text": round(1000 * (_cpu_seconds(process) - before) / answered, 3)}

            results: dict[str, Any] = {BARE: measured([BARE]), "one": measured(tasks[:1])}
            for count in counts:
                results[f"uniform-{count}"] = measured(tasks[:count])
                results[f"zipf-{count}"] = measured(tasks[:count], [1 / (1 + number) for number in range(count)])
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(measured, tasks)
                taken = [_replace(url, original, store, task, seconds / (reloads + 1)) for task in tasks[:reloads]]
                results["reload"] = {**asking.result(), "reload_s": taken}
    for part in results.values():
        for name in (BARE, "one"):
            other = results[name]
            part[f"throughput_by_{name}"] = round(part["texts_per_second"] / other["texts_per_second"], 3)
            part[f"cpu_by_{name}"] = round(other["cpu_ms_per_text"] / part["cpu_ms_per_text"], 3)
    memory = {"with_two_mb": round(little, 1), "with_all_mb": round(much, 1), "start_s": round(started, 1)}
    program.write(context, out, memory=memory, load=results)
    program.show({"memory": memory, "load": results})


def _replace(url: str, original: StoredAdapter, store: AdapterStore, task: str, pause: float) -> float:
    """Take the adapter that answers for a task away, store another one, and return the seconds of the reload."""
    time.sleep(pause)
    store.remove(f"{task}-{original.manifest.method}-0")
    copy_adapter(original, store, task, version=1)
    began = time.perf_counter()
    requests.post(f"{url}/reload", timeout=START).raise_for_status()
    return round(time.perf_counter() - began, 2)


def _cpu_seconds(process: int) -> float:
    """Return the processor time that a process has taken, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    typer.run(main)
