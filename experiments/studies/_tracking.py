"""Comparisons as MLflow runs: a parent, and a child for whatever is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.reporting.adapter_run import tracked_data
from experiments.reporting.circumstances import circumstances
from workbench.mlflow.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from experiments.studies._record import Record
    from experiments.studies._report import StudyReport
    from workbench.statistics import Interval

Point = tuple[str, float | None, int]


def parent(
    report: StudyReport,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Iterable[Point],
    children: Iterable[RunRecord],
) -> RunRecord:
    """Return the run of an experiment; ``tags`` are those that others have not."""
    record = report.record
    return RunRecord(
        key=record.identity,
        name=record.experiment,
        tags={**tags, **_shared_tags(record)},
        params=_texts(params),
        metrics=tuple(metrics),
        children=tuple(children),
        finished=report.complete,
    )


def child(
    record: Record,
    label: str,
    own: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Iterable[Point],
    tasks: Sequence[str],
    seed: int | None = None,
    finished: bool = True,
) -> RunRecord:
    """Return the run of what is compared under a ``label``, of one seed or of all; ``own`` are its tags."""
    seeded = {} if seed is None else {"seed": str(seed)}
    return RunRecord(
        key="/".join((record.identity, label, *seeded.values())),
        name=label if seed is None else f"{label} seed {seed}",
        tags={**_shared_tags(record), "label": label, **own, **seeded},
        params=_texts(params),
        metrics=tuple(metrics),
        data=tracked_data(record.data, tasks),
        finished=finished,
    )


def with_bounds(name: str, value: Interval) -> dict[str, float | None]:
    """Return a mean under ``name``, and the bounds of its interval."""
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def _shared_tags(record: Record) -> dict[str, str]:
    tags = {"recipe": record.experiment, "backbone": record.backbone, "reference": record.reference}
    return tags | circumstances(record.provenance)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
