"""Comparisons as MLflow runs: a parent, and a child for whatever is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from experiments.reporting.adapter_run import Point, tracked_data
from experiments.reporting.cells import words
from experiments.reporting.mlflow_run import markdown
from experiments.reporting.presentation import Column
from experiments.reporting.provenance_tags import provenance_tags
from experiments.reporting.shown import Shown, table
from experiments.studies.core.quantity import means
from workbench.measures.markdown import escape
from workbench.mlflow.mlflow_names import metric_name
from workbench.mlflow.run_record import NOTE_TAG, RunRecord, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from experiments.studies.core.compare import Compared
    from experiments.studies.core.quantity import Quantity
    from experiments.studies.core.record import Record
    from experiments.studies.core.report import StudyReport
    from workbench.measures.statistics import Interval
    from workbench.mlflow.view import View

MOST_SHOWN = 12  # numbers in a child's description
RowT = TypeVar("RowT", bound="Compared")


def parent(
    report: StudyReport,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Iterable[Point],
    children: Iterable[RunRecord],
    view: View,
) -> RunRecord:
    """Return the run of an experiment; ``tags`` are added to those that all studies have."""
    record, below = report.record, tuple(children)
    return RunRecord(
        key=record.identity,
        name=record.experiment,
        tags={**tags, **shared_tags(record)},
        params=_texts(params),
        metrics=tuple(metrics),
        children=below,
        finished=report.complete,
        view=view,
        began=began(record.provenance),
        seconds=together(below),
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
    seconds: float | None = None,
    order: int = 0,
) -> RunRecord:
    """Return the run of what is compared under a ``label``, of one seed or of all.

    Args:
        record: of the experiment.
        label: what it is compared under.
        own: its tags.
        params: its parameters.
        metrics: its numbers.
        tasks: that it learned.
        seed: None where its numbers are means over seeds.
        finished: whether nothing more is to come.
        seconds: what its training took.
        order: which order of the tasks it is, where there are several of a seed.
    """
    points = tuple(metrics)
    seeded = {} if seed is None else {"seed": str(seed)}
    seeded |= {"order": str(order)} if order else {}
    return RunRecord(
        key="/".join((record.identity, label, *seeded.values())),
        name=" ".join((label, *(f"{name} {value}" for name, value in seeded.items()))),
        tags={NOTE_TAG: _note(record, label, {**own, **seeded}, points), **shared_tags(record), "label": label}
        | {**own, **seeded},
        params=_texts(params),
        metrics=points,
        data=tracked_data(record.data, tasks),
        finished=finished,
        began=began(record.provenance),
        seconds=seconds,
    )


def settled(quantities: Iterable[Quantity[RowT]], row: RowT, report: StudyReport, needed: int) -> Iterator[Point]:
    """Yield an entry's means under its label, once all ``needed`` results are there; the step counts its seeds."""
    if len(row.cells) < needed:
        return
    step = len(report.record.planned_seeds(row.label))
    yield from means(quantities, row, row.label, step)
    compared = row.difference.seeds.mean if row.difference and report.complete else None
    yield metric_name(row.label, "difference"), compared, step


def began(provenance: Mapping[str, str]) -> float | None:
    """Return when an experiment was started, in seconds since 1970; None where its record has no time."""
    return moment(provenance.get("started", ""))


def together(runs: Iterable[RunRecord]) -> float | None:
    """Return what the training of all ``runs`` took, in seconds; None where no run has a time."""
    durations = [run.seconds for run in runs if run.seconds is not None]
    return sum(durations) if durations else None


def _note(record: Record, label: str, own: Mapping[str, str], points: Sequence[Point]) -> str:
    """Return the description of a child: what it is, and its numbers at the last step."""
    about = ", ".join(f"{name} {value}" for name, value in own.items())
    numbers = {name: value for name, value, _ in points if value is not None and not name.startswith("cost/")}
    columns = [
        Shown(Column("metric"), words),
        Shown(Column("value"), lambda name: words(f"{numbers[name]:.4g}")),
    ]
    lines = [escape(f"{label} ({about}), one of the runs that {record.experiment} compares."), ""]
    if numbers:
        lines += [
            *markdown(table("numbers", "", [*numbers][:MOST_SHOWN], columns)),
            "",
            "Scores are fractions of 1, as in MLflow's columns and charts.",
        ]
    return "\n".join(lines)


def with_bounds(name: str, value: Interval) -> dict[str, float | None]:
    """Return a mean under ``name``, and the bounds of its interval."""
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def shared_tags(record: Record) -> dict[str, str]:
    """Return the tags that all runs of an experiment have, in every study."""
    tags = {"recipe": record.experiment, "backbone": record.backbone, "reference": record.reference}
    return tags | provenance_tags(record.provenance)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
