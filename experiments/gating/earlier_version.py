"""The champion of an earlier version of a task, scored on the validation examples of a later one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.gating.succession import comparable
from tasks.loading import registry
from tasks.updating.label_map import unchanged
from tasks.updating.version import labels_between
from workbench.errors import InputError, WorkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.workspace import Workspace
    from tasks.updating.label_map import LabelMap
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.mlflow.registration import Version


def scored_beside(
    champion: Version, version: Version, stored: StoredAdapter, workspace: Workspace, folders: Sequence[Path]
) -> Version:
    """Return the champion with its score on the validation examples of ``stored``, where it may be scored on them.

    It may if both adapters learned stored versions of one task: a text keeps its split in all versions, so that neither
    adapter was trained on these examples. If the labels differ, each row of the champion's head answers for the label
    that its own has become, and no label is given that the champion has not learned. Else, and where the two can be
    compared already, the champion is returned as it is.

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
        labels = _labels(earlier, stored, folders)
        if champion.identity not in (None, earlier.manifest.identity) or labels is None:
            return champion
        return replace(champion, validation=_score(earlier, stored, labels, folders), measure=version.measure)
    except (InputError, WorkError):  # a backbone that is not here, damaged files: it has no score then
        return champion


def _labels(earlier: StoredAdapter, stored: StoredAdapter, folders: Sequence[Path]) -> LabelMap | None:
    """Return the labels of two adapters beside each other; None unless they learned stored versions of one task here.

    The first adapter's version may not be the later one, unless both have the same labels.
    """
    learned, task = earlier.manifest.task, stored.manifest.task
    if learned.name != task.name or earlier.manifest.imported is not None:
        return None
    versions = registry.versions(task.name, folders)
    number_of = {registry.data_fingerprint(spec): number for number, spec in versions.items()}
    first, second = number_of.get(learned.fingerprint), number_of.get(task.fingerprint)
    if first is None or second is None:
        return None
    if first <= second:
        return labels_between(versions, first, second)
    return unchanged(learned.labels) if learned.labels == task.labels else None


def _score(earlier: StoredAdapter, stored: StoredAdapter, labels: LabelMap, folders: Sequence[Path]) -> float:
    """Return the score of the earlier adapter on the validation examples that the later one was scored on."""
    from experiments.answers.adapter_task import adapter_task
    from workbench.answering.evaluation import evaluate_split
    from workbench.methods.stored_model import backbone_of, open_remapped

    task = adapter_task(stored, folders, "the gate needs the validation examples", "--min-score")
    backbone = backbone_of(earlier)
    model = open_remapped(earlier, backbone, labels.sources)
    evaluation = evaluate_split(model, task, "validation", backbone, earlier.manifest.budget.max_length)
    return float(evaluation.scores[model.kind.metric])
