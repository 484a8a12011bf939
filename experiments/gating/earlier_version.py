"""The champion of an earlier version of a task, scored on the validation examples of a later one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.gating.succession import comparable
from tasks.loading import registry
from workbench.errors import InputError, WorkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.workspace import Workspace
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.mlflow.registration import Version


def scored_beside(
    champion: Version, version: Version, stored: StoredAdapter, workspace: Workspace, folders: Sequence[Path]
) -> Version:
    """Return the champion with its score on the validation examples of ``stored``, where it may be scored on them.

    It may if both adapters learned stored versions of one task, with the same labels: a text keeps its split in all
    versions, so that neither adapter was trained on these examples. Else, and where the two can be compared already,
    the champion is returned as it is.

    Args:
        champion: of the registered name.
        version: what is known of ``stored`` as a version of that name.
        stored: an adapter of a later version of the task.
        workspace: that has both adapters.
        folders: of the person's own tasks.
    """
    if comparable(version, champion) or version.validation is None:
        return champion
    if champion.adapter is None or champion.adapter not in workspace.adapters:
        return champion
    try:
        earlier = workspace.adapters.verify(champion.adapter)
        if champion.identity not in (None, earlier.manifest.identity) or not _of_one_task(earlier, stored, folders):
            return champion
        return replace(champion, validation=_score(earlier, stored, folders), measure=version.measure)
    except (InputError, WorkError):  # a backbone that is not here, damaged files: it has no score then
        return champion


def _of_one_task(earlier: StoredAdapter, stored: StoredAdapter, folders: Sequence[Path]) -> bool:
    """Return whether two adapters were trained here on stored versions of one task, with the same labels."""
    manifest, task = earlier.manifest, stored.manifest.task
    learned = manifest.task
    if (learned.name, {*learned.labels}) != (task.name, {*task.labels}) or manifest.imported is not None:
        return False
    versions = registry.versions(task.name, folders).values()
    known = {registry.data_fingerprint(spec) for spec in versions}
    return {learned.fingerprint, task.fingerprint} <= known


def _score(earlier: StoredAdapter, stored: StoredAdapter, folders: Sequence[Path]) -> float:
    """Return the score of the earlier adapter on the validation examples that the later one was scored on."""
    from experiments.answers.adapter_task import adapter_task
    from workbench.answering.evaluation import evaluate_split
    from workbench.methods.stored_model import backbone_of, open_for

    task = adapter_task(stored, folders, "the gate needs the validation examples", "--min-score")
    backbone = backbone_of(earlier)
    model = open_for(earlier, backbone, task)
    evaluation = evaluate_split(model, task, "validation", backbone, earlier.manifest.budget.max_length)
    return float(evaluation.scores[model.kind.metric])
