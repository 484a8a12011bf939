"""Does subtracting a task's update remove the task, and nothing else?

    python -m experiments.benchmarks.unlearning three-ways --out FILE.json
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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.benchmarks import program
from experiments.benchmarks.single_task import plan_for
from experiments.studies.routing.joint import ALL_EXAMPLES
from experiments.workspace import find_workspace
from experiments.workspace.evaluating import majority
from fusion.composition import Request
from fusion.methods import COMPOSITIONS
from fusion.target import fitted_head, model_on, needs_head
from tasks.union import pooled, union
from workbench.evaluation import evaluate_split
from workbench.listener import Silent
from workbench.sampling import EVALUATION_SEED, draw, stratified

if TYPE_CHECKING:
    from torch import nn

    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.workspace import Workspace
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task

LORA = "lora"  # the method whose updates are subtracted
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
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe, for its backbone, tasks and budget.")],
    out: program.Out,
    workspace: program.Workspace = None,
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
    plan, chosen_workspace = plan_for(recipe, tasks, LORA), find_workspace(workspace)
    grid = [float(strength) for strength in strengths.split(",")]
    examples = {"validation": validation_examples, "test": test_examples}
    forgotten: list[Forgotten] = []
    for seed in map(int, seeds.split(",")):
        forgotten += Unlearning(plan, seed, chosen_workspace, start, weight, learning_rate, examples).each(grid)
    summary = summarise(forgotten)
    rows = [{**asdict(outcome), "largest_loss": outcome.largest_loss} for outcome in forgotten]
    program.write(context, out, budget=plan.recipe.budget.model_dump(mode="json"), summary=summary, forgotten=rows)
    program.show(summary)


def summarise(found: list[Forgotten]) -> dict[str, dict[str, float]]:
    """Return means over seeds, by forgotten task."""
    return {
        task: {
            "before": round(fmean(outcome.before for outcome in here), 4),
            "after": round(fmean(outcome.after for outcome in here), 4),
            "chance": round(here[0].chance, 4),
            "mean_loss_of_others": round(
                fmean(before - after for outcome in here for before, after in outcome.others.values()), 4
            ),
            "largest_loss_of_another": round(max(outcome.largest_loss for outcome in here), 4),
            "strength": round(fmean(outcome.strength for outcome in here), 3),
        }
        for task in dict.fromkeys(outcome.task for outcome in found)
        for here in [[outcome for outcome in found if outcome.task == task]]
    }


@dataclass(frozen=True)
class Unlearning:
    """All tasks of a plan, forgotten one at a time, with one seed."""

    plan: ComparisonPlan
    seed: int
    workspace: Workspace
    start: Start
    weight: float
    learning_rate: float | None
    examples: Mapping[str, int | None]

    def each(self, strengths: Sequence[float]) -> Iterator[Forgotten]:
        """Yield what becomes of all tasks when each of them is subtracted in turn."""
        before = self._scores(self._started(), "test")
        untouched = self._scores(self._started(), "validation")
        for task in self.plan.tasks:
            source = self._learned(task)
            curve = {0.0: untouched}
            for strength in strengths:
                curve[strength] = self._scores(self._without(source, strength), "validation")
            chance = self._chance[task.name]
            picked = pick(curve, task.name, chance)
            after = self._scores(self._without(source, picked) if picked else self._started(), "test")
            others = {name: (before[name], after[name]) for name in before if name != task.name}
            rounded = {f"{strength:g}": scores for strength, scores in curve.items()}
            gone = before[task.name], after[task.name]
            yield Forgotten(task.name, self.seed, picked, *gone, chance, others, rounded)

    @cached_property
    def _chance(self) -> dict[str, float]:
        if all(task.labels for task in self.plan.tasks):
            return {task.name: majority(task, self.plan.recipe.budget) for task in self.plan.tasks}
        return self._scores(self.plan.backbone.load(), "test")

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
    def _kept(self) -> tuple[StoredAdapter, ...]:
        """The LoRAs that make up what is started from: none, each task's own, or one of all tasks at once."""
        if self.start is Start.BACKBONE:
            return ()
        if self.start is Start.SUM:
            return tuple(self._learned(task) for task in self.plan.tasks)
        drawn = [draw(task, self.plan.recipe.budget, self.seed) for task in self.plan.tasks]
        together = union if drawn[0].labels else pooled
        return (self._learned(together(drawn, f"joint-{len(drawn)}"), **ALL_EXAMPLES),)

    @property
    def _weights(self) -> list[float]:
        return [self.weight if self.start is Start.SUM else 1.0] * len(self._kept)

    @cached_property
    def _heads(self) -> dict[str, nn.Module]:
        """Each task's head: fitted on the features of what is started from, or the backbone's own."""
        body, heads = self._started(), {}
        for task in self._drawn:
            request = self._request((), task)
            model = model_on(request, body)
            heads[task.name] = fitted_head(model, request).head if needs_head(model) else model.head
        return heads

    def _learned(self, task: Task, **budget: Any) -> StoredAdapter:
        """Return a task's LoRA, learned with the plan's budget but for what ``budget`` says."""
        lesson = self.plan.lesson(LORA, task, self.seed, self.learning_rate)
        lesson = replace(lesson, budget=lesson.budget.model_copy(update=budget))
        return self.workspace.learned(lesson, Silent(), task.name)

    def _started(self) -> nn.Module:
        """Return what is started from."""
        return self._composed("sum", self._kept, weights=self._weights) if self._kept else self.plan.backbone.load()

    def _without(self, source: StoredAdapter, strength: float) -> nn.Module:
        """Return what is started from less ``strength`` times the source's update."""
        sources, weights = (*self._kept, source), [*self._weights, 1.0]
        return self._composed("negate", sources, scale=strength, kept=len(self._kept), weights=weights)

    def _composed(self, name: str, sources: tuple[StoredAdapter, ...], **settings: Any) -> nn.Module:
        card = COMPOSITIONS.get(name)
        return card.compose(self._request(sources, None), card.settings.model_validate(settings)).body

    def _request(self, sources: tuple[StoredAdapter, ...], target: Task | None) -> Request:
        plan, precision = self.plan, self.plan.adaptations[LORA].precision
        return Request(sources, target, plan.backbone, precision, plan.recipe.budget, self.seed, Silent(), "")

    def _scores(self, body: nn.Module, split: str) -> dict[str, float]:
        scores, backbone, length = {}, self.plan.backbone, self.plan.recipe.budget.max_length
        for task in self._drawn:
            model = model_on(self._request((), task), body, self._heads[task.name])
            evaluation = evaluate_split(model, task, split, backbone, length)
            scores[task.name] = evaluation.scores[model.kind.metric]
        return scores


def pick(scores: Mapping[float, Mapping[str, float]], task: str, chance: float) -> float:
    """Return the strength that validation picks, see above; ``scores`` is strength → task → validation score."""
    others = [name for name in scores[0.0] if name != task]
    spared = [
        strength
        for strength, task_scores in scores.items()
        if fmean(scores[0.0][name] - task_scores[name] for name in others) <= SPARED
    ]
    return min(spared, key=lambda strength: (abs(scores[strength][task] - chance), strength))


if __name__ == "__main__":
    typer.run(main)
