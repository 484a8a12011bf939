"""How many texts does a router reject that are of its tasks, and how many that are not?

    python -m bench.rejection --out FILE.json

A LoRA is learned for each task, and each router gets a score for each task below which it rejects
(`--max-false-rejections`), from validation texts of these tasks alone. Then it is asked about test texts of its tasks,
test texts of tasks that it does not know, and words of random letters.
"""

from __future__ import annotations

import random
import string
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.answers.routed_predictions import adapters_to_choose_from, training_task, validation
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.workspace.routers import known_state, with_floors
from adapter_workbench.fusion.routing.rejection import Rejection
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.methods.sampling import test_rows
from adapter_workbench.workbench.settings.base import Budget
from bench import program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset

    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.fusion.routing.routed_texts import RoutedTexts

SHARES = (0.01, 0.05, 0.1)
RANDOM = "random letters"
BUDGET = Budget(train_examples=300, eval_examples=200, epochs=1, max_length=48)


def main(
    context: typer.Context,
    out: program.Out,
    tasks: program.Tasks = "bbc-news,election-tweets,sentiment-movies,questions-coarse,20news-7",
    others: Annotated[str, typer.Option(help="Tasks that no router knows, with commas.")] = (
        "reuters-r8,sentiment-products,20news-3"
    ),
    routers: Annotated[str, typer.Option(help="Routers, with commas.")] = "mahalanobis,prototype,ranpac,learned,arrow",
    workspace: program.Workspace = None,
) -> None:
    """Train, ask each router, and print the shares that it rejects."""
    workbench, names = Workbench(workspace), tasks.split(",")
    ids = [workbench.train(workbench.lesson(name, "lora", budget=BUDGET)).adapter.id for name in names]
    own = {name: _test_texts(name) for name in names}
    foreign = {name: _test_texts(name) for name in others.split(",")} | {RANDOM: _random_letters()}
    results = {}
    for router in routers.split(","):
        state = _state(workbench, router, ids)
        inside, outside = (
            {name: adapters_for_texts(state, rows) for name, rows in texts.items()} for texts in (own, foreign)
        )
        rejected = {f"{share:g}": _rejected(workbench, state, share, inside, outside) for share in SHARES}
        results[router] = {"routing_accuracy": _accuracy(state, inside), "rejected": rejected}
        program.write(context, out, rejection=results)
    program.show(results)


def _test_texts(task: str) -> Dataset:
    return test_rows(registry.load(registry.find(task)), BUDGET).select_columns(["text"])


def _random_letters() -> Dataset:
    """Return as many texts of one to eight words of two to nine letters."""
    draw = random.Random(0)

    def word() -> str:
        return "".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9)))

    assert BUDGET.eval_examples is not None
    texts = [" ".join(word() for _ in range(draw.randint(1, 8))) for _ in range(BUDGET.eval_examples)]
    return rows_of(texts)


def _state(workbench: Workbench, router: str, ids: list[str]) -> RoutingState:
    adapters, backbone = adapters_to_choose_from(workbench.workspace, router, pair=False, among=ids, backbone=None)
    settings, task_of = ROUTERS.get(router).settings(), partial(training_task, task_folders=[])
    state = known_state(workbench.workspace, router, settings, adapters, backbone, task_of, workbench.listener)
    return replace(state, reader=state.reader.opened_once())


def _rejected(
    workbench: Workbench,
    state: RoutingState,
    share: float,
    own: Mapping[str, RoutedTexts],
    foreign: Mapping[str, RoutedTexts],
) -> dict[str, Any]:
    """Return the share of texts that is rejected, of each of the router's own tasks and of each other source."""
    rejection, validation_of = Rejection(share=share), partial(validation, [])
    floors = with_floors(workbench.workspace, state, rejection, validation_of, workbench.listener).floors
    assert floors is not None

    def shares(choices: Mapping[str, RoutedTexts]) -> dict[str, float]:
        low = {name: choice.scores < floors[choice.adapters] for name, choice in choices.items()}
        return {name: round(float(rejected.mean()), 4) for name, rejected in low.items()}

    return {"own": shares(own), "foreign": shares(foreign)}


def _accuracy(state: RoutingState, own: Mapping[str, RoutedTexts]) -> float:
    """Return the mean over tasks of the share of texts that go to the adapter of their task."""
    named = [adapter.manifest.task.name for adapter in state.adapters]
    right = [(choice.adapters == named.index(name)).mean() for name, choice in own.items()]
    return round(float(sum(right) / len(right)), 4)


if __name__ == "__main__":
    typer.run(main)
