"""The data that went into an MLflow run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.task import SPLITS

if TYPE_CHECKING:
    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient

CONTEXT = "mlflow.data.context"  # the tag that names what a data set was used for
DIGEST = 36  # characters that MLflow allows for one; a SHA-256 has 64


@dataclass(frozen=True)
class TrackedData:
    """The data of a task. MLflow shows each split as a data set of its own, since it keeps one context for each."""

    name: str  # of the task
    fingerprint: str  # SHA-256 of its rows; MLflow's digest is the beginning of it
    about: Mapping[str, str] = field(default_factory=dict)  # what else is known: origin, licence


def log_data(client: BoundedClient, run: str, data: Sequence[TrackedData]) -> None:
    """Add the splits of ``data`` to a run's inputs; existing inputs are not changed."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=f"{task.name}/{split}",
                digest=task.fingerprint[:DIGEST],
                source_type="workbench",
                source=json.dumps({"task": task.name, "fingerprint": task.fingerprint, **task.about}),
            ),
            [InputTag(CONTEXT, split)],
        )
        for task in data
        for split in SPLITS
    ]
    if inputs:
        client.log_inputs(run, inputs)
