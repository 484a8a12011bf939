"""Does a server of a thousand adapters stay right, and keep its size, under an hour of load?

    python -m bench.served_soak --out FILE.json

LoRAs with different weights, copies of one on MiniLM in fp32, are served by `workbench serve` from one process, with so
little `--lora-memory` that many of them answer from their files. Clients ask for texts at a fixed rate, each request
for a task that is drawn, all equally likely. Every answer is held against what its adapter says of the same text when
it is opened alone, as `workbench predict` opens it, and the text is the only one: the label has to be the same, and the
confidence within 1e-5.

Meanwhile one adapter after another is replaced. First its folder is removed, and the server still answers with it for
some seconds, in which a quarter of all requests ask for it; then another adapter is stored for the same task, and the
server reloads.

A text without an answer is lost, or refused with a code. Memory is that of the server's process once a minute:
`resident`, and of it its `own`, without files that are mapped. Its slope is taken after some minutes (`--settling`),
when most files have been read once. A batch needs memory of its own, the more the more requests wait: so there are
samples right after each reload too, which gives back what batches have left.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import psutil
import requests
import typer
from scipy.stats import theilslopes

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.stored_model import backbone_of
from bench import program
from bench.checked_load import BoundedLoad, CheckedAnswers, Served, alike, own_answers
from bench.copied_adapters import copy_adapter, originals
from bench.growth import MB
from bench.serve_load import percentiles
from bench.served_adapters import START, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TEXTS = (
    "Which of the two teams wins the cup?",
    "The new driver shows stripes.",
    "He sold the car after ten years.",
    "The bridge over the river is closed.",
)
FLAT = 0.01  # of the memory, an hour: the interval of the slope has to end below
MOST_INTERVAL = 60.0  # seconds between two samples of memory
SAMPLES = 30  # of memory, at least
HOUR = 3600  # seconds
FEW = 4  # samples, from which on there is a slope with an interval


@dataclass(frozen=True)
class Settings:
    """How many adapters are asked for how long, and how often one is replaced."""

    adapters: int
    minutes: float
    rate: float
    texts: int
    clients: int
    replace_every: float
    lora_memory: int
    max_batch: int
    settling: float


def main(
    context: typer.Context,
    out: program.Out,
    adapters: Annotated[int, typer.Option(min=2, help="LoRAs that are served.")] = 1024,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long they are asked.")] = 60.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Texts a second, all clients together.")] = 30.0,
    texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 8,
    clients: Annotated[int, typer.Option(min=1, help="Requests that may be under way at the same time.")] = 8,
    replace_every: Annotated[float, typer.Option(min=0.1, help="Seconds from one replaced adapter to the next.")] = 30,
    lora_memory: Annotated[int, typer.Option(min=0, help="Megabytes of LoRAs in the server's memory.")] = 150,
    max_batch: Annotated[int, typer.Option(min=1, help="Texts of a batch, whose memory grows with them.")] = 64,
    settling: Annotated[float, typer.Option(min=0, help="Minutes before memory has to stay as it is.")] = 15.0,
) -> None:
    """Make the adapters, serve, ask, and print what came of it; exits with 3 where something did not hold."""
    if settling >= minutes:
        raise InputError("no time is left in which memory has to stay as it is", where="--settling")
    settings = Settings(adapters, minutes, rate, texts, clients, replace_every, lora_memory, max_batch, settling)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (lora,) = originals(folder, ["lora"], precision="fp32")
        results = soaked(folder, lora, settings)
    program.write(context, out, {"processor": program.processor()}, **results)
    program.show({name: part for name, part in results.items() if name not in ("samples", "reloads")})
    if not all(results["held"].values()):
        raise typer.Exit(3)


def soaked(folder: Path, lora: StoredAdapter, settings: Settings) -> dict[str, Any]:
    """Return what came of it: counts, waits, reloads, memory, and which of the claims held."""
    store, backbone = Workbench(folder / "workspace").workspace.adapters, backbone_of(lora)
    tasks = [f"lora-{number:04d}" for number in range(settings.adapters)]
    first = {task: copy_adapter(lora, store, task) for task in tasks}
    typer.echo(f"{len(first)} adapters are stored; each is asked alone.")
    own = own_answers(store, first.values(), backbone, TEXTS)
    checked = CheckedAnswers(own, TEXTS)
    served = Served({task: frozenset([name]) for task, name in first.items()})
    samples: list[dict[str, Any]] = []
    began = time.perf_counter()
    bounds = ("--lora-memory", str(settings.lora_memory), "--max-batch", str(settings.max_batch))
    with serving(folder, *bounds) as (url, process):
        started = time.perf_counter() - began
        typer.echo(f"The server was ready after {started:.0f} s.")
        load = BoundedLoad(url, served, checked, settings.rate, settings.texts, settings.clients)
        seconds, began, ended = 60 * settings.minutes, time.perf_counter(), Event()
        replacing = Replacing(url, process, served, checked, store, lora, backbone)
        with ThreadPoolExecutor(2) as pool:
            replacements = pool.submit(replacing.until, ended, settings.replace_every, settings.replace_every / 4)
            asking = pool.submit(load.ask, seconds)
            try:
                while not asking.done():
                    with suppress(psutil.Error):  # where the server has ended, the load counts what is lost
                        taken = sample(process, time.perf_counter() - began)
                        samples.append({**taken, "answers": checked.right, "replaced": len(served.removed)})
                    ended.wait(min(MOST_INTERVAL, seconds / SAMPLES))
                asking.result()
            finally:
                ended.set()
            reloads = replacements.result()
        took = time.perf_counter() - began
    results = {
        "counts": checked.counts(),
        "seconds": round(took, 1),
        "start_s": round(started, 1),
        "alike_by_chance": alike(own),
        "cpu_ms_per_text": _cpu_ms_per_text(samples),
        "milliseconds": _waits(checked.milliseconds),
        "behind_s": round(load.behind, 2),
        "reloads": reloads,
        "memory": _memory(samples, reloads, 60 * settings.settling),
        "samples": samples,
    }
    return {**results, "held": _held(results)}


@dataclass(frozen=True)
class Replacing:
    """Replaces one adapter after another while they answer."""

    url: str
    process: int
    served: Served
    checked: CheckedAnswers
    store: AdapterStore
    lora: StoredAdapter
    backbone: Backbone

    def until(self, ended: Event, every: float, gone: float) -> list[dict[str, Any]]:
        """Replace an adapter ``every`` so many seconds; for ``gone`` seconds of them it answers without its folder."""
        reloads: list[dict[str, Any]] = []
        began = time.perf_counter()
        tasks, newest = [*self.served.by_task], {task: name for task, (name,) in self.served.by_task.items()}
        while not ended.wait(every - gone):
            number = len(reloads)
            task, version = tasks[number % len(tasks)], 1 + number // len(tasks)
            old = newest[task]
            self.store.remove(old)
            self.served.removed.add(old)
            self.served.changing = task
            ended.wait(gone)
            newest[task], reloaded = self._replace(task, old, version)
            with suppress(psutil.Error):
                reloaded["memory"] = sample(self.process, time.perf_counter() - began)
            reloads.append(reloaded)
            self.served.changing = None
        return reloads

    def _replace(self, task: str, old: str, version: int) -> tuple[str, dict[str, Any]]:
        """Store another adapter for a task; return it, how long the reload took and whether it changed just that."""
        new = copy_adapter(self.lora, self.store, task, version)
        self.checked.own.update(own_answers(self.store, [new], self.backbone, TEXTS))
        self.served.by_task[task] = frozenset([old, new])
        began = time.perf_counter()
        try:
            changes = requests.post(f"{self.url}/reload", timeout=START).json()
        except requests.RequestException as error:
            changes = {"detail": str(error)}
        taken = round(time.perf_counter() - began, 2)
        as_meant = (changes.get("added"), changes.get("removed")) == ([new], [old])
        if as_meant:
            self.served.by_task[task] = frozenset([new])
        return new, {"seconds": taken, "as_meant": as_meant, **({} if as_meant else {"response": changes})}


def sample(process: int, seconds: float) -> dict[str, float]:
    """Return what a process holds and has taken: resident MB, of them its own (no mapped files), processor seconds."""
    observed = psutil.Process(process)
    memory, times = observed.memory_info(), observed.cpu_times()
    return {
        "seconds": round(seconds, 1),
        "resident_mb": round(memory.rss / MB, 2),
        "own_mb": round((memory.rss - memory.shared) / MB, 2),
        "cpu_seconds": round(times.user + times.system, 2),
    }


def slope(samples: Sequence[dict[str, float]], key: str) -> dict[str, Any]:
    """Return the MB an hour by which a key of the samples grows, as the median of the slopes of all pairs of them.

    The 95 % interval is that of Sen (1968, doi:10.1080/01621459.1968.10480934), which takes samples for independent:
    where one is like the one before it, it is too narrow.
    """
    if len(samples) < FEW:
        return {"mean": None, "low": None, "high": None}
    hours = [taken["seconds"] / HOUR for taken in samples]
    middle, _, low, high = theilslopes([taken[key] for taken in samples], hours, 0.95)
    return {"mean": round(float(middle), 2), "low": round(float(low), 2), "high": round(float(high), 2)}


def _memory(samples: list[dict[str, Any]], reloads: list[dict[str, Any]], settling: float) -> dict[str, Any]:
    settled = [taken for taken in samples if taken["seconds"] >= settling]
    kept = [reload["memory"] for reload in reloads if "memory" in reload and reload["memory"]["seconds"] >= settling]
    keys = ("resident_mb", "own_mb")
    return {
        "settled_samples": len(settled),
        "first": {key: samples[0][key] for key in keys},
        "settled": {key: settled[0][key] for key in keys},
        "last": {key: samples[-1][key] for key in keys},
        "mb_an_hour": {key: slope(settled, key) for key in keys},
        "mb_an_hour_after_reloads": {key: slope(kept, key) for key in keys},
    }


def _held(results: dict[str, Any]) -> dict[str, bool]:
    """Return claim → whether it held."""
    counts, memory = results["counts"], results["memory"]
    growth, size = memory["mb_an_hour"]["resident_mb"]["high"], memory["settled"]["resident_mb"]
    return {
        "no answer was wrong": counts["answers"] > 0 and not counts["wrong"],
        "no text was lost": not counts["lost"],
        "no text was refused": not counts["refused"],
        "each reload changed one adapter": all(reload["as_meant"] for reload in results["reloads"]),
        "memory was flat": growth is not None and growth < FLAT * size,
    }


def _cpu_ms_per_text(samples: list[dict[str, Any]]) -> float | None:
    first, last = samples[0], samples[-1]
    texts = last["answers"] - first["answers"]
    return round(1000 * (last["cpu_seconds"] - first["cpu_seconds"]) / texts, 2) if texts else None


def _waits(milliseconds: list[float]) -> dict[str, float | None]:
    longest = round(max(milliseconds), 1) if milliseconds else None
    return {**percentiles(milliseconds), "longest": longest}


if __name__ == "__main__":
    typer.run(main)
