"""How long an optimiser step takes: what that depends on, and a measurement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.pace import Speed
from adapter_workbench.workbench.machine.listener import Silent

if TYPE_CHECKING:
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget

SHAPE = ("batch_size", "gradient_accumulation", "max_length", "precision", "quantization")
STEPS = 10


def step_shape(budget: Budget) -> str:
    """Return the part of a budget that the time of an optimiser step depends on."""
    settings = budget.model_dump(mode="json")
    kept = [f"weights={budget.weights}"] if "weights" in settings else []  # else as paces were called before
    return " ".join([*(f"{name}={settings.get(name)}" for name in SHAPE), *kept])


@dataclass(frozen=True)
class TimedSteps:
    """The first steps of a fit that is thrown away afterwards."""

    adaptation: Adaptation  # what is trained
    budget: Budget  # of the whole fit
    task: Task  # what is learned

    @property
    def label(self) -> str:
        """Their name for people."""
        return f"{self.adaptation.method} on {self.adaptation.backbone.name} ({self.task.name})"

    @property
    def key(self) -> str:
        """Equal for steps that take equally long."""
        adaptation = self.adaptation
        settings = adaptation.settings.model_dump_json(exclude={"learning_rate"})
        return f"{adaptation.backbone.name} {adaptation.method} {settings} {step_shape(self.budget)}"

    def speed(self) -> Speed | None:
        """Make at most :data:`STEPS` steps, and return the speed of the median step; None if there are fewer than two.

        Where only the head is trained, the body reads all rows before the first step, once for all epochs: each step
        has its share of that.

        Raises:
            TrainingError: the fit failed.
        """
        from adapter_workbench.workbench.training import Lesson, teach  # torch comes with it

        batch = self.budget.batch_size
        examples = STEPS * batch * self.budget.gradient_accumulation
        short = {"train_examples": min(examples, self.budget.train_examples or examples), "epochs": 1}
        budget = self.budget.model_copy(update={**short, "eval_examples": batch, "validation_examples": None})
        ends = _StepEnds()
        _, record = teach(Lesson(self.task, self.adaptation, budget, seed=0), ends, self.label)
        seconds = [end - begin for begin, end in pairwise(ends.ends)]
        if not seconds:
            return None
        step = median(seconds)
        if not self.adaptation.card.trains_body:
            step += max(record.seconds / record.steps - step, 0) / self.budget.epochs
        return Speed(1, step)


@dataclass
class _StepEnds(Silent):
    """Records when each step ends."""

    ends: list[float] = field(default_factory=list)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        yield lambda step, epoch, loss: self.ends.append(time.perf_counter())
