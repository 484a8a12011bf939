"""A stored adapter as a LoRA: another adapter of the same task, with its own score."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.answers.adapter_test import tested_here
from adapter_workbench.fusion.composing.convertible import require_updates_alone
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.stored_model import backbone_of, describe, keep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task

METHOD = "lora"
SHAPE = ("rank", "alpha", "targets")  # settings that are known where another program trained
NEED, INSTEAD = "a conversion is scored on the validation examples", "adapters export"


def convert_to_lora(
    workspace: Workspace, adapter: str, rank: int, backbone: str | None, task_folders: Sequence[Path]
) -> StoredAdapter:
    """Return the LoRA of the adapter with the id ``adapter``; see :class:`Exchange`."""
    stored = workspace.adapters.verify(adapter)
    require_updates_alone(stored)
    manifest = stored.manifest
    made = f"{manifest.task.name}-{METHOD}-{key(['as lora', stored.identity, rank, versions()])[:8]}"
    if made in workspace.adapters:
        return workspace.adapters.verify(made)
    if manifest.elsewhere:
        return _convert_foreign(workspace, stored, made, rank, backbone, task_folders)
    task = adapter_task(stored, task_folders, NEED, INSTEAD)
    return _with_score(workspace, stored, made, rank, backbone_of(stored, backbone), task)


def _with_score(
    workspace: Workspace, stored: StoredAdapter, made: str, rank: int, backbone: Backbone, task: Task
) -> StoredAdapter:
    """Return the LoRA of an adapter that the workbench trained, with a validation score of its own."""
    from adapter_workbench.fusion.composing.converting import (
        as_lora,  # torch comes with it, and mistakes are reported without it
    )
    from adapter_workbench.workbench.answering.evaluation import evaluate_split
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    manifest, began = stored.manifest, time.perf_counter()
    model, settings = as_lora(stored, backbone, rank)
    evaluation = evaluate_split(model, task, "validation", backbone, manifest.budget.max_length)
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
    adaptation = Adaptation(backbone, METHOD, settings, model.precision)
    described = describe(made, task, adaptation, manifest.budget, manifest.seed_here, record)
    return keep(model, adaptation, described.model_copy(update={"parents": (stored.id,)}), workspace.adapters)


def _convert_foreign(
    workspace: Workspace,
    stored: StoredAdapter,
    made: str,
    rank: int,
    backbone: str | None,
    task_folders: Sequence[Path],
) -> StoredAdapter:
    """Return the LoRA of an adapter that another program trained: it stays from elsewhere, and is measured here.

    Where its task is not to be seen from here, it has no score, as an adapter that has just been imported.
    """
    from adapter_workbench.fusion.composing.converting import as_lora
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    opened = backbone_of(stored, backbone)
    model, settings = as_lora(stored, opened, rank)
    adaptation = Adaptation(opened, METHOD, settings, model.precision, head=stored.manifest.head)
    kept = keep(model, adaptation, _foreign_manifest(stored.manifest, made, adaptation), workspace.adapters)
    for adapter in (stored, kept):
        if workspace.score(adapter.manifest) is None:
            with suppress(InputError):
                tested_here(workspace, adapter.id, None, backbone, task_folders)
    return kept


def _foreign_manifest(manifest: Manifest, made: str, adaptation: Adaptation) -> Manifest:
    """Return the manifest of the LoRA: what is not known of its source is not known of it."""
    return manifest.model_copy(
        update={
            "id": made,
            "method": adaptation.method,
            "library": adaptation.card.library,
            "settings": adaptation.settings.model_dump(mode="json", include={*SHAPE}),
            "precision": adaptation.precision,
            "versions": versions(),
            "parents": (manifest.id,),
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": None,
            "elsewhere": manifest.elsewhere and manifest.elsewhere.model_copy(update={"original": {}}),
            "files": {},
        }
    )
