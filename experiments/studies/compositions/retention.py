"""What a composed body still knows of its sources' own tasks, each under the source's own head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.studies.compositions.result import Retained
from experiments.workspace.evaluating import test, tested
from workbench.adaptation import HEAD_FILE
from workbench.stored_model import adaptation_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.studies.compositions.trial import Trial
    from experiments.workspace import Workspace
    from fusion.fuse import Fused
    from workbench.task import Task


def retained(fused: Fused, trial: Trial, tasks: Mapping[str, Task], workspace: Workspace) -> Iterator[Retained]:
    """Yield one entry for each source whose task is among ``tasks`` with the data that the source was trained on."""
    few_shot, metric = trial.problem, fused.model.kind.metric
    for source in trial.sources:
        manifest = source.manifest
        task = tasks.get(manifest.task.name)
        if task is None or task.fingerprint != manifest.task.fingerprint:
            continue
        alone = tested(workspace, source, task, few_shot.backbone, few_shot.budget)
        adaptation = adaptation_of(manifest, few_shot.backbone)
        head = adaptation.stored_head(source.folder / HEAD_FILE, task.kind, len(task.labels))
        score = test(fused.model.under(head), task, few_shot.backbone, few_shot.budget).scores[metric]
        yield Retained(source.id, task.name, alone.scores[metric], score, alone.examples)
