"""What MLflow has of each metric's course: asked for once, then known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.mlflow.run_record import CONTENT_TAG

if TYPE_CHECKING:
    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

Points = dict[tuple[str, int], float]  # (name, step) → value


class MetricHistories:
    """The points of the runs that one tracker writes.

    MLflow gives a history with one request for each metric. A run that goes on logs after each piece, and what it
    wrote itself is known. The tag that ends a write says whether another process wrote to the run meanwhile.
    """

    def __init__(self) -> None:
        """Know of no run."""
        self._of_runs: dict[tuple[str, str], Points] = {}  # (run, the tag that ended the last write) → its points

    @contextmanager
    def missing(self, client: BoundedClient, run: Any, record: RunRecord, content: str) -> Iterator[list[Any]]:
        """Yield, as MLflow's metrics, the points that the stored histories do not end with, step by step.

        The block writes them, and last ``content`` as the run's tag. Where it fails, every history of the run is asked
        for again: some may have arrived.
        """
        from mlflow.entities import Metric

        run_id = run.info.run_id
        stored = self._of_runs.pop((run_id, run.data.tags.get(CONTENT_TAG, "")), {})
        names = {name for name, _, _ in record.metrics} & set(run.data.metrics)
        for name in sorted(names - {name for name, _ in stored}):
            stored |= _history(client, run_id, name)
        wanted = {(name, step): value for name, value, step in record.metrics if value is not None and isfinite(value)}
        now = int(time.time() * 1000)
        changed = [(name, value, step) for (name, step), value in wanted.items() if stored.get((name, step)) != value]
        yield [Metric(name, value, now, step) for name, value, step in changed]
        self._of_runs[run_id, content] = stored | wanted


def _history(client: BoundedClient, run_id: str, name: str) -> Points:
    history = client.get_metric_history(run_id, name)
    return {(name, point.step): point.value for point in sorted(history, key=lambda point: int(point.timestamp))}
