"""Comparisons as MLflow runs: a parent, and a child for whatever is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.adapter_run import Point, tracked_data
from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.mlflow_run import markdown
from adapter_workbench.experiments.reporting.presentation import Column
from adapter_workbench.experiments.reporting.provenance_tags import provenance_tags
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG, RunRecord, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.core.record import Record
    from adapter_workbench.experiments.studies.core.report import StudyReport
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.mlflow.view import View

MOST_SHOWN = 12  # numbers in a child's description
MOST_NAMED = 4  # entries in a run's name


def parent(
    report: StudyReport,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Iterable[Point],
    children: Iterable[RunRecord],
    view: View,
    first: str = "",
    title: str = "",
) -> RunRecord:
    """Return the run of an experiment.

    Args:
        report: on it.
        tags: added to those that all studies have.
        params: its parameters.
        metrics: its numbers, those of an entry under the entry's label.
        children: the runs below it.
        view: columns and charts.
        first: the quantity that the first section of MLflow's charts shows of each entry; empty if there are
            no entries.
        title: what came out, in a few words; that quantity of the first entries if empty.
    """
    record, below, points = report.record, tuple(children), tuple(metrics)
    opening = tuple(_first(points, first))
    return RunRecord(
        key=record.identity,
        name=record.experiment,
        tags={**tags, **shared_tags(record)},
        params=_texts(params),
        metrics=(*points, *opening),
        children=below,
        finished=report.complete,
        view=view,
        began=began(record.provenance),
        seconds=together(below),
        title=title or in_short([(name.partition("/")[2], value) for name, value, _ in opening]),
    )


def _first(points: Iterable[Point], quantity: str) -> Iterator[Point]:
    """Yield a quantity's points once more, as ``Quantity/LABEL``.

    MLflow draws a section of charts for what stands before the slash, capital letters first. All other names of a
    parent begin with a label, and sections of what only the runs below it have are empty until somebody unfolds it.
    """
    for name, value, step in points:
        label, _, last = name.rpartition("/")
        if last == quantity and label:
            yield metric_name(quantity.capitalize(), label), value, step


def in_short(values: Iterable[tuple[str, float | None]], value_first: bool = False, verb: str = "") -> str:
    """Return the last values of a few labels for a run's name: ``full forgot 12.9 · lora 0.0``.

    The UI shows about twenty characters of it in a table, and all of it elsewhere. ``verb`` stands behind the first
    label. Fractions become percent and points.
    """
    known = [(label, number(value)) for label, value in dict(values).items() if value is not None]
    words = [f"{value} {label}" if value_first else f"{label} {value}" for label, value in known]
    if verb and known:
        words[0] = f"{known[0][0]} {verb} {known[0][1]}"
    more = [f"{len(words) - MOST_NAMED} more"] if len(words) > MOST_NAMED else []
    return " · ".join(words[:MOST_NAMED] + more)


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
