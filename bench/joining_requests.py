"""How long does a short answer take that is asked for while a long one is being written?

    python -m bench.joining_requests --out FILE.json

Two LoRAs of one language model are served as ``workbench serve`` does it. The one writes a long answer; when a few of
its tokens are there, the other is asked for a short one.

joins     the short answer joins the batch of the long one
waits     no two requests share a batch (``--max-batch 1``): the short one begins when the long one has ended
alone     nothing else is being written

Of each answer, seconds by the clock and of the processor are those from its request to its end. On a machine that is
busy with other work only the processor time can be compared. The ways take turns, and all figures are of the median
round.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.answers.http_server.current import Job
from adapter_workbench.experiments.answers.http_server.metrics import Metrics
from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.http_server.service import Service
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.machine.batch_queue import Batching
from adapter_workbench.workbench.machine.listener import Silent
from bench import program
from bench.copied_adapters import copy_adapter
from bench.mixed_generation import BUDGET, write_on

NAMES = ("long", "short")
BATCHINGS = {"joins": Batching(seconds=0), "waits": Batching(rows=1, seconds=0)}
BEGUN = 4  # tokens of the long answer that are there when the short one is asked for
ORDER = tuple(enumerate(NAMES))
Seconds = tuple[float, float]  # by the clock, and of the processor
Request = Callable[[Callable[[Sequence[int]], bool]], Job]  # what hears the tokens of the answer → the job


def main(
    context: typer.Context,
    out: program.Out,
    task: Annotated[str, typer.Option(help="Whose texts are answered; its answers are generated.")] = (
        "reasoning-gym-word-reversal"
    ),
    backbone: Annotated[str, typer.Option(help="A causal language model.")] = "smollm2",
    long: Annotated[int, typer.Option(min=BEGUN + 1, help="Tokens of the long answer.")] = 96,
    short: Annotated[int, typer.Option(min=1, help="Tokens of the short answer.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is measured.")] = 3,
) -> None:
    """Make the adapters, serve them in each way, and print how long the answers take."""
    taken: dict[str, dict[str, list[Seconds]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        workbench = Workbench(Path(temporary) / "workspace")
        budget = {**BUDGET, "precision": "fp32"}
        lesson = workbench.lesson(task, "lora", backbone=backbone, budget=budget)
        learned = workbench.train(lesson).adapter
        ids = [copy_adapter(learned, workbench.workspace.adapters, name) for name in NAMES]
        selected = partial(select, workbench.workspace, ids, None, (), Silent())
        texts = lesson.task.splits["test"]["text"][:2]
        services = {
            way: Service(selected(), selected, None, batching, Metrics()) for way, batching in BATCHINGS.items()
        }
        asked = {way: _requests(service, texts, ids, (long, short)) for way, service in services.items()}
        for number in range(rounds + 1):
            measured = {way: _together(service, *asked[way]) for way, service in services.items()}
            measured["alone"] = {name: _alone(services["waits"], asked["waits"][index]) for index, name in ORDER}
            for way, answers in measured.items() if number else ():  # the first pass of each is not measured
                for name, seconds in answers.items():
                    taken.setdefault(way, {}).setdefault(name, []).append(seconds)
        for service in services.values():
            service.close()
    figures = {way: {name: _figures(times) for name, times in answers.items()} for way, answers in taken.items()}
    ratios = {
        f"{name}, {way} by joins, {unit}": round(figures[way][name][unit] / figures["joins"][name][unit], 2)
        for name in NAMES
        for way in ("waits", "alone")
        for unit in ("seconds", "cpu_seconds")
    }
    program.write(context, out, {"processor": program.processor()}, answers=figures, ratios=ratios)
    program.show({"answers": figures, "ratios": ratios})


def _requests(service: Service, texts: Sequence[str], adapters: Sequence[str], limits: Sequence[int]) -> list[Request]:
    """Return what makes the job of each text, for its adapter and with its limit of new tokens."""
    opened = service.current.opened
    write_on(opened.backbone.tokenizer)

    def request(text: str, adapter: str, limit: int) -> Request:
        of_task = opened.adapters[adapter].manifest.task.model_copy(update={"max_new_tokens": limit})
        rows = rows_of([text], of_task)
        return lambda hear: Job(service.current, rows, adapter, AnswerOptions(hear=hear))

    return [request(*about) for about in zip(texts, adapters, limits, strict=True)]


def _together(service: Service, long: Request, short: Request) -> dict[str, Seconds]:
    """Return how long each answer takes, where the short one is asked for when the long one has begun."""
    begun = Event()

    def hear(tokens: Sequence[int]) -> bool:
        if len(tokens) == BEGUN:
            begun.set()
        return True

    first = _Timed(service, long(hear))
    while not (begun.wait(1) or first.has_ended):
        pass
    second = _Timed(service, short(lambda _: True))
    return {"long": first.result(), "short": second.result()}


def _alone(service: Service, request: Request) -> Seconds:
    return _Timed(service, request(lambda _: True)).result()


class _Timed:
    """A request, and the time from it to its answer."""

    def __init__(self, service: Service, job: Job) -> None:
        self._since, self._until = _now(), (0.0, 0.0)
        self._ended = Event()
        self._future = service.submit(job)
        self._future.add_done_callback(self._end)

    @property
    def has_ended(self) -> bool:
        """Whether the answer is there, or what went wrong."""
        return self._ended.is_set()

    def _end(self, _: Any) -> None:
        self._until = _now()
        self._ended.set()

    def result(self) -> Seconds:
        """Wait for the answer, and return how long it took."""
        self._future.result()
        self._ended.wait()
        return self._until[0] - self._since[0], self._until[1] - self._since[1]


def _now() -> Seconds:
    return time.perf_counter(), time.process_time()


def _figures(times: list[Seconds]) -> dict[str, float]:
    clock, processor = zip(*times, strict=True)
    return {"seconds": round(median(clock), 2), "cpu_seconds": round(median(processor), 2)}


if __name__ == "__main__":
    typer.run(main)
