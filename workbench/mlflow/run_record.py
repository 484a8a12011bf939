"""What one MLflow run should hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from adapter_workbench.workbench.mlflow.datasets import TrackedData
from adapter_workbench.workbench.mlflow.models import TrackedModel

if TYPE_CHECKING:
    from adapter_workbench.workbench.mlflow.view import View

CONTENT_TAG = "workbench.content"  # the digest of the record, which ends a write
NOTE_TAG = "mlflow.note.content"  # shown by the MLflow UI as the run's description, in Markdown
RUN_ID = "{run_id}"  # in a description: becomes the run's own id, for links


@dataclass(frozen=True)
class RunRecord:
    """What one MLflow run should hold."""

    key: str  # finds the run again; the same for the same work
    name: str  # shown by the UI until there is a title
    tags: Mapping[str, str] = field(default_factory=dict)  # by name; they follow the record when it changes
    params: Mapping[str, str] = field(default_factory=dict)  # by name; MLflow never changes one that is there
    metrics: tuple[tuple[str, float | None, int], ...] = ()  # (name, value, step); None and NaN are left out
    # path inside the run (``report/report.html``) → content; they follow the record when it changes
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    data: tuple[TrackedData, ...] = ()  # of the tasks that it learned
    models: tuple[TrackedModel, ...] = ()  # that came out of it
    children: tuple[RunRecord, ...] = ()  # runs nested below this one
    finished: bool = True  # whether more is to come; a finished run is marked so
    view: View | None = None  # of the experiment that the run is in: columns and charts; None leaves it as it is
    # when the work began, in seconds since 1970; None where nobody noted it: then it is the time of logging
    began: float | None = None
    # what the work took, which MLflow shows as the run's duration; None where it is not known
    seconds: float | None = None
    # what came out, in a few words: shown in place of the name, and first in the experiment's description. A run that
    # a person has called otherwise keeps that name
    title: str = ""


def moment(text: str) -> float | None:
    """Return an ISO 8601 time in seconds since 1970; None where the text is none: records also come from elsewhere."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def content_digest(record: RunRecord) -> str:
    """Return the SHA-256 of everything that belongs to the run itself, its children left out."""
    artifacts = {name: hashlib.sha256(content).hexdigest() for name, content in record.artifacts.items()}
    parts = [dict(record.tags), dict(record.params), record.metrics, artifacts, record.finished]
    beside = [[task.name, task.fingerprint] for task in record.data], [model.key for model in record.models]
    parts += [listed for listed in beside if listed]
    parts += [{"title": record.title}] if record.title else []
    parts += [] if record.seconds is None else [{"seconds": record.seconds}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
