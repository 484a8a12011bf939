"""A stored adapter as a LoRA: another adapter of the same task, with its own score."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from experiments.answers.adapter_task import adapter_task
from workbench.digest import key
from workbench.fit_record import FitRecord
from workbench.package_versions import versions
from workbench.stored_model import backbone_of, describe, keep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.workspace import Workspace
    from workbench.stored_adapter import StoredAdapter

METHOD = "lora"


def converted(
    workspace: Workspace, adapter: str, rank: int, backbone: str | None, task_folders: Sequence[Path]
) -> StoredAdapter:
    """Return the LoRA of the adapter with the id ``adapter``; see :class:`experiments.answers.exchange.Exchange`."""
    stored = workspace.adapters.verify(adapter)
    manifest = stored.manifest
    made = f"{manifest.task.name}-{METHOD}-{key(['as lora', stored.identity, rank, versions()])[:8]}"
    if made in workspace.adapters:
        return workspace.adapters.verify(made)
    task = adapter_task(stored, task_folders, "a conversion is scored on the validation examples", "adapters export")
    from fusion.converting import as_lora  # torch comes with it, and mistakes are reported without it
    from workbench.adaptation import Adaptation
    from workbench.evaluation import evaluate_split

    began, opened = time.perf_counter(), backbone_of(stored, backbone)
    model, settings = as_lora(stored, opened, rank)
    evaluation = evaluate_split(model, task, "validation", opened, manifest.budget.max_length)
    record = FitRecord(
        epochs=(),
        best_epoch=0,
        validation=evaluation.scores[model.kind.metric],
        steps=0,
        seconds=time.perf_counter() - began,
        peak_memory_mb=None,
        trainable_parameters=sum(parameter.numel() for parameter in model.trainable().values()),
        validation_examples=len(evaluation.outcomes),
    )
    adaptation = Adaptation(opened, METHOD, settings, model.precision)
    described = describe(made, task, adaptation, manifest.budget, manifest.seed, record)
    return keep(model, adaptation, described.model_copy(update={"parents": (stored.id,)}), workspace.adapters)
