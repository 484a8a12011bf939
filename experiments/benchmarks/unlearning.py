"""Does subtracting a task's update remove the task, and nothing else?

    python -m experiments.benchmarks.unlearning quickstart --out FILE.json

For every task of a list, a LoRA is trained with the recipe's budget. Heads for all tasks are logistic regressions on
the features of the bare backbone, and stay as they are. Then θ₀ − λ ΔW is formed by the composition ``negate`` for each
λ of a grid, with ΔW of one task. λ is picked on validation: of those under which the other tasks lose at most
one point on average, the one whose forgotten task comes nearest to chance (or below it: an answer that is wrong more
often than chance is knowledge with its sign turned, so the distance counts on both sides). Test scores at that λ are
reported for the forgotten task and for all others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.benchmarks.single_task import plan_for
from experiments.provenance import provenance
from experiments.testing import majority
from experiments.workspace import Workspace
from fusion.composition import Request
from fusion.heads import fit_head
from fusion.methods import COMPOSITIONS
from workbench.assets import write_whole
from workbench.contracts import Silent
from workbench.evaluation import evaluate, features
from workbench.kinds import KINDS
from workbench.learning import Lesson, learn
from workbench.model import TaskModel
from workbench.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from experiments.plan import Plan
    from workbench.contracts import Task
    from workbench.store import StoredAdapter

TASKS = "bbc-news,election-tweets,20news-3,20news-4"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
SPARED = 0.01  # what the other tasks may lose on validation, on average


@dataclass(frozen=True)
class Forgotten:
    """Test scores before and after one task was subtracted with strength λ.

    Attributes:
        chance: score of always answering the most frequent label.
        others: task → (before, after).
    """

    task: str
    seed: int
    strength: float
    before: float
    after: float
    chance: float
    others: Mapping[str, tuple[float, float]]
    curve: Mapping[str, Mapping[str, float]]

    @property
    def largest_loss(self) -> float:
        """The largest drop of another task."""
        return max(before - after for before, after in self.others.values())


def main(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, for its backbone and budget.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results.")],
    workspace: Annotated[Path, typer.Option(help="Where the adapters are kept.")] = Path(".workbench"),
    tasks: Annotated[str, typer.Option(help="Tasks, with commas; each is forgotten once.")] = TASKS,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0,1,2",
) -> None:
    """Measure, and print what was forgotten and what was kept."""
    plan = plan_for(recipe, tasks.split(","), ["lora"])
    found = [one for seed in seeds.split(",") for one in forget_each(plan, int(seed), Workspace(workspace.absolute()))]
    command = f"python -m experiments.benchmarks.unlearning {recipe} --tasks {tasks} --seeds {seeds}"
    document = {
        "provenance": provenance(command),
        "budget": plan.recipe.budget.model_dump(mode="json"),
        "summary": summarise(found),
        "forgotten": [{**asdict(one), "largest_loss": one.largest_loss} for one in found],
    }
    write_whole(out, json.dumps(document, indent=1))
    typer.echo(json.dumps(document["summary"], indent=1))


def summarise(found: list[Forgotten]) -> dict[str, dict[str, float]]:
    """Return means over seeds, by forgotten task."""
    return {
        task: {
            "before": round(fmean(one.before for one in here), 4),
            "after": round(fmean(one.after for one in here), 4),
            "chance": round(here[0].chance, 4),
            "mean_loss_of_others": round(
                fmean(before - after for one in here for before, after in one.others.values()), 4
            ),
            "largest_loss_of_another": round(max(one.largest_loss for one in here), 4),
            "strength": round(fmean(one.strength for one in here), 3),
        }
        for task in dict.fromkeys(one.task for one in found)
        for here in [[one for one in found if one.task == task]]
    }


def forget_each(plan: Plan, seed: int, workspace: Workspace) -> list[Forgotten]:
    """Return what becomes of all tasks when each of them is subtracted in turn."""
    budget = plan.recipe.budget
    drawn = [draw(task, budget, seed) for task in plan.tasks]
    bare = plan.backbone.load()
    models = {task.name: _on_frozen_features(plan, bare, task) for task in drawn}
    found = []
    for task in plan.tasks:
        lesson = Lesson(task, plan.adaptation(plan.contenders[0]), budget, seed)
        source = learn(lesson, workspace.adapters, Silent(), task.name, workspace.scratch(lesson.key))
        curve = {strength: _scores(plan, _body(plan, source, strength), models, drawn) for strength in STRENGTHS}
        chance = majority(task, budget)
        picked = pick({each: curve[each]["validation"] for each in STRENGTHS}, task.name, chance)
        before, after = curve[0.0]["test"], curve[picked]["test"]
        others = {name: (before[name], after[name]) for name in models if name != task.name}
        told = {f"{each:g}": curve[each]["test"] for each in STRENGTHS}
        found.append(Forgotten(task.name, seed, picked, before[task.name], after[task.name], chance, others, told))
    return found


def pick(scores: Mapping[float, Mapping[str, float]], task: str, chance: float) -> float:
    """Return the strength that validation picks, see above; ``scores`` is strength → task → validation score."""
    others = [name for name in scores[0.0] if name != task]
    spared = [
        strength
        for strength, each in scores.items()
        if fmean(scores[0.0][name] - each[name] for name in others) <= SPARED
    ]
    return min(spared, key=lambda strength: (abs(scores[strength][task] - chance), strength))


def _on_frozen_features(plan: Plan, body: nn.Module, task: Task) -> TaskModel:
    kind, backbone = KINDS.get(task.kind), plan.backbone
    model = TaskModel(body, kind.head(backbone, len(task.labels)), kind, backbone.pooling, _precision(plan)).eval()
    parts = [task.splits[name] for name in ("train", "validation")]
    seen, unseen = (features(model, rows, backbone.tokenizer, plan.recipe.budget.max_length) for rows in parts)
    model.head = fit_head(seen, parts[0]["label"][:], unseen, parts[1]["label"][:], len(task.labels)).head.eval()
    return model


def _body(plan: Plan, source: StoredAdapter, strength: float) -> nn.Module:
    if not strength:
        return plan.backbone.load()
    request = Request((source,), None, plan.backbone, _precision(plan), plan.recipe.budget, 0, Silent(), source.id)
    card = COMPOSITIONS.get("negate")
    return card.compose(request, card.settings.model_validate({"scale": strength})).body


def _scores(
    plan: Plan, body: nn.Module, models: Mapping[str, TaskModel], tasks: list[Task]
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {"validation": {}, "test": {}}
    for task in tasks:
        fitted = models[task.name]
        model = TaskModel(body, fitted.head, fitted.kind, fitted.pooling, fitted.precision).eval()
        for split in found:
            rows, length = task.splits[split], plan.recipe.budget.max_length
            scores: dict[str, Any] = evaluate(model, rows, len(task.labels), plan.backbone.tokenizer, length).scores
            found[split][task.name] = scores[model.kind.metric]
    return found


def _precision(plan: Plan) -> Any:
    return plan.adaptation(plan.contenders[0]).precision


if __name__ == "__main__":
    typer.run(main)
