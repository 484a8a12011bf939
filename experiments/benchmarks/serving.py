"""What does it take to serve many adapters from one backbone: to switch, and to mix them in a batch?

    python -m experiments.benchmarks.serving three-ways --out FILE.json

An adapter of each method is trained on each of the recipe's tasks, briefly, since speed does not depend on what was
learned. Then one backbone holds all of a method's adapters. The results are the milliseconds of a switch (median and
worst), and the texts a second that one adapter answers alone, and that all answer together when each text of a batch
belongs to another adapter than the one before it. Both answer the same texts, in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from datasets import concatenate_datasets

from experiments.benchmarks import program
from experiments.benchmarks.single_task import plan_for
from experiments.workspace import find_workspace
from workbench.listener import Silent
from workbench.serving import Serving
from workbench.training import Lesson

if TYPE_CHECKING:
    from datasets import Dataset

    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.workspace import Workspace

TEXTS, REPETITIONS, SWITCHES = 256, 5, 200
BRIEF = {"train_examples": 48, "epochs": 1}


def main(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, for its backbone, tasks and text length.")],
    out: program.Out,
    workspace: program.Workspace = None,
    methods: program.Methods = "lora,pfeiffer",
) -> None:
    """Measure, and print milliseconds and ratios."""
    plan, chosen_workspace = plan_for(recipe, None, methods), find_workspace(workspace)
    results = {name: measured(plan, name, chosen_workspace) for name in plan.adaptations}
    program.write(context, out, methods=results)
    program.show(results)


def measured(plan: ComparisonPlan, method: str, workspace: Workspace) -> dict[str, Any]:
    """Return the numbers of one method."""
    budget = plan.recipe.budget.model_copy(update=BRIEF)
    lessons = [Lesson(task, plan.adaptations[method], budget, seed=0) for task in plan.tasks]
    adapters = [workspace.learned(lesson, Silent(), lesson.task.name) for lesson in lessons]
    began = time.perf_counter()
    serving = Serving(adapters, plan.backbone)
    loading = time.perf_counter() - began
    ids = [adapter.id for adapter in adapters]
    switches = [_seconds(partial(serving.switch, name)) for name in islice(cycle(ids), SWITCHES)]
    rows = _texts(plan)

    def alone() -> object:
        model = serving.switch(ids[0])
        return model.kind.answers(model, rows, plan.backbone.tokenizer, budget.max_length)

    def together() -> object:
        return serving.answers(rows, list(islice(cycle(ids), len(rows))))

    seconds = _in_turns(alone, together)
    return {
        "adapters": len(adapters),
        "mixes": serving.mixes,
        "loading_seconds": round(loading, 3),
        "switch_ms": round(1000 * median(switches), 3),
        "slowest_switch_ms": round(1000 * max(switches), 3),
        "texts_per_second_alone": round(len(rows) / seconds[0], 1),
        "texts_per_second_mixed": round(len(rows) / seconds[1], 1),
        "mixed_to_alone": round(seconds[0] / seconds[1], 3),
    }


def _texts(plan: ComparisonPlan) -> Dataset:
    parts = [task.splits["test"].select_columns(["id", "text"]) for task in plan.tasks]
    rows = concatenate_datasets([part.select(range(min(len(part), TEXTS // len(parts)))) for part in parts])
    return rows.shuffle(seed=0)


def _in_turns(*works: Callable[[], object]) -> list[float]:
    """Return the median seconds of each of ``works``, which take turns."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(REPETITIONS + 1):
        for times, work in zip(taken, works, strict=True):
            times.append(_seconds(work))
    return [median(times[1:]) for times in taken]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
