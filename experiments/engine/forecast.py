"""Predicts what training will take, before anything is loaded: the memory of a step, and what its time depends on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.lesson import settings_and_budget
from adapter_workbench.experiments.engine.piece import Effort, Forecast
from adapter_workbench.experiments.engine.timed_steps import TimedSteps, step_shape
from adapter_workbench.workbench.backbone.names import bits_of, config_of, says_bf16
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import require_possible, trained_method
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget
    from adapter_workbench.workbench.training import Lesson, Teachable
    from adapter_workbench.workbench.training.cost_model import Workload

ANSWER = 32  # tokens of an answer, where no task says


def workload(model: str, method: str, assignments: Sequence[str]) -> Workload:
    """Return the training step that ``assignments`` (a method's settings, and ``budget.…``) describe.

    A causal language model is taken to answer in words, any other model to have a head.

    Args:
        model: a registered backbone, a hub id, a folder or a ``config.json``; the name may say in how many bits.
        method: name of a method.
        assignments: as ``--set`` takes them.

    Raises:
        InputError: an unknown name or setting, or a method that cannot work on the model.
    """
    from adapter_workbench.workbench.training.cost_model import Workload  # torch comes with it
    from adapter_workbench.workbench.training.gradient_checkpointing import label_tokens

    card, document = trained_method(method), Document({}, "command line").set(assignments)
    settings, budget = settings_and_budget(document, card.settings)
    config = config_of(model, "--model-config")
    is_causal = any(name.endswith("ForCausalLM") for name in config.architectures or [])
    kind = "causal-lm" if is_causal else "classification"
    bits = bits_of(model) or budget.quantization
    require_possible(method, settings, config, kind, bits=bits)
    return Workload(
        config=config,
        method=method,
        settings=settings,
        precision=resolve_precision(budget.precision),
        batch_size=budget.batch_size,
        length=budget.max_length,
        quantization=bits,
        label_tokens=label_tokens(budget, ANSWER if is_causal else 0),
        checkpointing=budget.checkpointing == "on",
        stored_in_bf16=says_bf16(model),
        weights=budget.weights,
    )


def forecast_of(adaptation: Adaptation, budget: Budget, task: Task) -> Forecast:
    """Return what a plain training step of a method on a task takes."""
    from adapter_workbench.workbench.training.cost_model import MB
    from adapter_workbench.workbench.training.gradient_checkpointing import predict_step

    prediction = predict_step(adaptation, budget, task.max_new_tokens or 0)
    return Forecast(round(prediction.peak / MB, 1), prediction.trainable) if prediction else Forecast()


def lesson_updates(lesson: Teachable) -> int:
    """Return the most optimiser steps that a lesson takes; 0 if its method trains nothing."""
    if not lesson.adaptation.card.trains:
        return 0
    return lesson.budget.updates(lesson.budget.drawn(len(lesson.task.splits["train"])))


def lesson_effort(lesson: Lesson) -> Effort:
    """Return what it takes to learn a lesson."""
    adaptation, budget = lesson.adaptation, lesson.budget
    pace = f"lesson {adaptation.backbone.name} {adaptation.method} {step_shape(budget)}"
    forecast = partial(forecast_of, adaptation, budget, lesson.task)
    return Effort(pace, lesson_updates(lesson), forecast, TimedSteps(adaptation, budget, lesson.task))
