"""Comparing new rows with held-out rows of an adapter's task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.answers.drift.new_rows import MOST
from adapter_workbench.experiments.answers.drift.result import Drift, FarText
from adapter_workbench.experiments.answers.drift.signals import FAR, compare
from adapter_workbench.workbench.answering.predictor import columns_of
from adapter_workbench.workbench.measures.independent_samples import exceedances

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
    from adapter_workbench.experiments.answers.drift.new_rows import NewRows
    from adapter_workbench.experiments.answers.drift.sample import Sample
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener


def drift_of(
    workspace: Workspace,
    stored: StoredAdapter,
    new: NewRows,
    bounds: DriftBounds,
    backbone: str | None,
    task_folders: Sequence[Path],
    listener: Listener,
) -> Drift:
    """Return how new rows differ from held-out rows of the adapter's task.

    These are test rows: nothing was trained or chosen on them. Validation rows chose the best epoch, so that an
    adapter is surer and more often right on them than on new ones.

    Args:
        workspace: where the adapter and those of other tasks are.
        stored: the adapter.
        new: the rows in question.
        bounds: what is allowed.
        backbone: where the adapter's backbone is, if not where it was.
        task_folders: of the person's own tasks.
        listener: hears what is read.

    Raises:
        InputError: the task is not to be seen from here, its data have changed, or the backbone is another.
    """
    columns_of(new.texts, stored.manifest.task)  # pairs and single texts are told apart before a model is opened
    task = adapter_task(stored, task_folders, "drift needs the test rows", "`workbench evaluate`")
    from adapter_workbench.experiments.answers.drift.reading import Measuring  # torch comes with it; mistakes need none
    from adapter_workbench.experiments.answers.drift.routing import router_beside
    from adapter_workbench.workbench.methods.sampling import EVALUATION_SEED, stratified_sample
    from adapter_workbench.workbench.methods.stored_model import backbone_of

    opened = backbone_of(stored, backbone)
    rows = stratified_sample(task.splits["test"], MOST, EVALUATION_SEED)
    state = router_beside(workspace, stored, opened, task_folders, listener)
    measuring = Measuring.open(stored, opened, task, state)
    reference, sample = measuring.held_out(task, rows), measuring.in_question(new)
    manifest = stored.manifest
    return Drift(
        adapter=stored.id,
        task=manifest.task.name,
        kind=manifest.task.kind,
        bounds=bounds,
        held_out=len(reference),
        rows=len(sample),
        total=new.total,
        empty=new.empty,
        left_out=None if new.labelled is None else new.labelled.left_out,
        signals=compare(reference, sample, manifest.task.labels, bounds),
        far=_far(reference, sample, new),
        may_have_seen=manifest.elsewhere is not None,
    )


def _far(reference: Sample, sample: Sample, new: NewRows) -> tuple[FarText, ...]:
    far = exceedances(reference.nearest, sample.nearest, FAR)
    if far is None:
        return ()
    order = [int(index) for index in np.argsort(-sample.nearest, kind="stable") if far.beyond[index]]
    return tuple(
        FarText(
            row=new.numbers[index],
            text=new.texts[index] if isinstance(new.texts[index], str) else new.texts[index][0],
            answer=sample.values[index],
            distance=float(sample.nearest[index]) / far.bound if far.bound > 0 else None,
        )
        for index in order
    )
