"""Does subtracting a task's update remove the task, and nothing else?

    python -m experiments.benchmarks.unlearning quickstart --out FILE.json
    python -m experiments.benchmarks.unlearning reasoning-3 --start joint --learning-rate 0.002 --out FILE.json

For every task of a list, a LoRA is trained with the recipe's budget. What it is subtracted from is the bare backbone,
a LoRA that learned all tasks at once (``--start joint``), or the sum of the tasks' own (``--start sum``, each with
``--weight``: then λ = weight takes out exactly what was put in). Heads for all tasks, where the kind has any, are
logistic regressions on the features of what is started from, and stay as they are. Then ΔW of one task is taken away λ
times, by the composition ``negate``, for each λ of a grid. λ is picked on validation: of those under which the other
tasks lose at most one point on average, the one whose forgotten task comes nearest to chance (or below it: an answer
that is wrong more often than chance is knowledge with its sign turned, so the distance counts on both sides). Chance is
the score of the most frequent label; of free answers, what the bare backbone scores. Test scores at that λ are reported
for the forgotten task and for all others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.benchmarks.single_task import plan_for
from experiments.engine.provenance import provenance
from experiments.engine.recipes import find_recipe
from experiments.studies.routing.joint import ALL_EXAMPLES
from experiments.workspace import Workspace
from experiments.workspace.evaluating import majority
from fusion.composition import Request
from fusion.heads import fit_head
from fusion.methods import COMPOSITIONS
from tasks.union import pooled, union
from workbench.atomic import write_whole
from workbench.evaluation import evaluate, features
from workbench.kinds import KINDS
from workbench.listener import Silent
from workbench.model import TaskModel
from workbench.sampling import EVALUATION_SEED, draw, stratified
from workbench.training import Lesson

if TYPE_CHECKING:
    from torch import nn

    from experiments.studies.stream.plan import Plan
    from workbench.settings import Budget
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task

STRENGTHS = "0.25,0.5,0.75,1,1.25,1.5,2,2.5,3"
SPARED = 0.01  # what the other tasks may lose on validation, on average


@dataclass(frozen=True)
class Forgotten:
    """Test scores before and after one task was subtracted with strength λ.

    Attributes:
        chance: what somebody scores who does not know the task.
        others: task → (before, after).
        curve: strength → task → validation score.
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


class Start(StrEnum):
    """What a task is subtracted from."""

    BACKBONE = "backbone"
    JOINT = "joint"
    SUM = "sum"


def main(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, for its backbone, tasks and budget.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results.")],
    workspace: Annotated[Path, typer.Option(help="Where the adapters are kept.")] = Path(".workbench"),
    tasks: Annotated[str | None, typer.Option(help="Tasks, with commas; each is forgotten once.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0,1,2",
    start: Annotated[Start, typer.Option(help="What a task is subtracted from.")] = Start.BACKBONE,
    weight: Annotated[float, typer.Option(help="Of each task's LoRA in the sum that is started from.")] = 1.0,
    strengths: Annotated[str, typer.Option(help="λ, with commas.")] = STRENGTHS,
    learning_rate: Annotated[float | None, typer.Option(help="Of the LoRAs [default: the method's].")] = None,
    validation_examples: Annotated[int | None, typer.Option(help="To pick λ on [default: the budget's].")] = None,
    test_examples: Annotated[int | None, typer.Option(help="Of each task [default: the budget's].")] = None,
) -> None:
    """Measure, and print what was forgotten and what was kept."""
    plan = plan_for(recipe, tasks.split(",") if tasks else find_recipe(recipe).data["tasks"], ["lora"])
    grid = [0.0, *(float(each) for each in strengths.split(","))]
    place = Workspace(workspace.absolute())
    found = [
        one
        for seed in seeds.split(",")
        for one in Unlearning(
            plan,
            int(seed),
            place,
            start,
            weight,
            learning_rate,
            {"validation": validation_examples, "test": test_examples},
        ).each(grid)
    ]
    told = {
        "tasks": tasks,
        "seeds": seeds,
        "start": start.value,
        "weight": weight,
        "strengths": strengths,
        "learning-rate": learning_rate,
        "validation-examples": validation_examples,
        "test-examples": test_examples,
    }
    command = " ".join(
        [
            f"python -m experiments.benchmarks.unlearning {recipe}",
            *(f"--{name} {value}" for name, value in told.items() if value is not None),
        ]
    )
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


@dataclass(frozen=True)
class Unlearning:
    """All tasks of a plan, forgotten one at a time, with one seed."""

    plan: Plan
    seed: int
    workspace: Workspace
    start: Start
    weight: float
    learning_rate: float | None
    examples: Mapping[str, int | None]

    def each(self, strengths: Sequence[float]) -> Iterator[Forgotten]:
        """Yield what becomes of all tasks when each of them is subtracted in turn; ``strengths`` begin with 0."""
        before = self._scores(0.0, None, "test")
        untouched = self._scores(0.0, None, "validation")
        for task in self.plan.tasks:
            source = self._learned(task, self.plan.recipe.budget)
            further = {each: self._scores(each, source, "validation") for each in strengths[1:]}
            curve = {0.0: untouched, **further}
            chance = self._chance[task.name]
            picked = pick(curve, task.name, chance)
            after = self._scores(picked, source, "test")
            others = {name: (before[name], after[name]) for name in before if name != task.name}
            told = {f"{strength:g}": scores for strength, scores in curve.items()}
            gone = before[task.name], after[task.name]
            yield Forgotten(task.name, self.seed, picked, *gone, chance, others, told)

    @cached_property
    def _chance(self) -> dict[str, float]:
        if all(task.labels for task in self.plan.tasks):
            return {task.name: majority(task, self.plan.recipe.budget) for task in self.plan.tasks}
        return self._scored(self.plan.backbone.load(), "test")

    @cached_property
    def _drawn(self) -> list[Task]:
        """The tasks to learn from, with as many validation and test examples as are asked for."""
        return [self._to_test(draw(task, self.plan.recipe.budget, self.seed), task) for task in self.plan.tasks]

    def _to_test(self, drawn: Task, whole: Task) -> Task:
        splits = dict(drawn.splits)
        for name, size in self.examples.items():
            if size:
                splits[name] = stratified(whole.splits[name], size, EVALUATION_SEED)
        return replace(drawn, splits=splits)

    @cached_property
    def _joint(self) -> StoredAdapter:
        """A LoRA that learned all tasks at once, under one head where they have labels."""
        drawn = [draw(task, self.plan.recipe.budget, self.seed) for task in self.plan.tasks]
        together = union if drawn[0].labels else pooled
        budget = self.plan.recipe.budget.model_copy(update=ALL_EXAMPLES)
        return self._learned(together(drawn, f"joint-{len(drawn)}"), budget)

    @cached_property
    def _singles(self) -> tuple[StoredAdapter, ...]:
        """Each task's own LoRA."""
        return tuple(self._learned(task, self.plan.recipe.budget) for task in self.plan.tasks)

    @cached_property
    def _heads(self) -> dict[str, nn.Module]:
        """Each task's head: fitted on the features of what is started from, or the backbone's own."""
        body = self._body(0.0, None)
        return {task.name: self._head(body, task) for task in self._drawn}

    def _learned(self, task: Task, budget: Budget) -> StoredAdapter:
        adaptation = self.plan.adaptation(self.plan.contenders[0])
        if self.learning_rate:
            settings = adaptation.settings.model_copy(update={"learning_rate": self.learning_rate})
            adaptation = replace(adaptation, settings=settings)
        return self.workspace.learned(Lesson(task, adaptation, budget, self.seed), Silent(), task.name)

    def _body(self, strength: float, source: StoredAdapter | None) -> nn.Module:
        """Return what is started from less ``strength`` times the source's update."""
        kept: tuple[StoredAdapter, ...] = ()
        if self.start is not Start.BACKBONE:
            kept = self._singles if self.start is Start.SUM else (self._joint,)
        weights = [self.weight if self.start is Start.SUM else 1.0] * len(kept)
        if source is None or not strength:
            return self._composed("sum", kept, {"weights": weights}) if kept else self.plan.backbone.load()
        wanted = {"scale": strength, "kept": len(kept), "weights": [*weights, 1.0]}
        return self._composed("negate", (*kept, source), wanted)

    def _composed(self, name: str, sources: tuple[StoredAdapter, ...], wanted: dict[str, Any]) -> nn.Module:
        card, heard = COMPOSITIONS.get(name), (self.plan.recipe.budget, self.seed, Silent(), sources[-1].id)
        request = Request(sources, None, self.plan.backbone, self._precision, *heard)
        return card.compose(request, card.settings.model_validate(wanted)).body

    def _scores(self, strength: float, source: StoredAdapter | None, split: str) -> dict[str, float]:
        return self._scored(self._body(strength, source), split)

    def _scored(self, body: nn.Module, split: str) -> dict[str, float]:
        found, length = {}, self.plan.recipe.budget.max_length
        for task in self._drawn:
            model = self._model(body, self._heads[task.name], task)
            tokenizer = self.plan.backbone.tokenizer
            scores = evaluate(model, task.splits[split], len(task.labels), tokenizer, length).scores
            found[task.name] = scores[model.kind.metric]
        return found

    def _head(self, body: nn.Module, task: Task) -> nn.Module:
        plan = self.plan
        head = KINDS.get(task.kind).head(plan.backbone, len(task.labels))
        if not head.state_dict():
            return head
        model, parts = self._model(body, head, task), [task.splits[name] for name in ("train", "validation")]
        seen, unseen = (features(model, rows, plan.backbone.tokenizer, plan.recipe.budget.max_length) for rows in parts)
        return fit_head(seen, parts[0]["label"][:], unseen, parts[1]["label"][:], len(task.labels)).head

    def _model(self, body: nn.Module, head: nn.Module, task: Task) -> TaskModel:
        return TaskModel(body, head, KINDS.get(task.kind), self.plan.backbone.pooling, self._precision).eval()

    @property
    def _precision(self) -> Any:
        return self.plan.adaptation(self.plan.contenders[0]).precision


def pick(scores: Mapping[float, Mapping[str, float]], task: str, chance: float) -> float:
    """Return the strength that validation picks, see above; ``scores`` is strength → task → validation score."""
    others = [name for name in scores[0.0] if name != task]
    spared = [
        strength
        for strength, each in scores.items()
        if fmean(scores[0.0][name] - each[name] for name in others) <= SPARED
    ]
    return min(spared, key=lambda strength: (abs(scores[strength][task] - chance), strength))


if __name__ == "__main__":
    typer.run(main)
