"""What people see of the reports of all studies in the same way: the facts above, and what stands at the end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.reporting.equality import not_equal
from experiments.reporting.presentation import Definitions, Presentation
from experiments.reporting.provenance_tags import rerun_block
from experiments.studies.core.data_sources import data_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from experiments.reporting.presentation import Block, Tracking
    from experiments.studies.core.report import StudyReport

ReportT = TypeVar("ReportT", bound="StudyReport")


def presented(
    report: ReportT,
    title: str,
    facts: Sequence[str],
    blocks: Callable[[ReportT], Iterable[Block]],
    tracking: Callable[[ReportT], Tracking],
    note: str,
    further: Sequence[str] = (),
    **others: Any,
) -> Presentation:
    """Return what people see of a report.

    Args:
        report: of any study.
        title: what kind of report it is.
        facts: what was measured, in a few words each; the backbone is added.
        blocks: returns what is read below the verdict, in order.
        tracking: returns what MLflow holds of it.
        note: Markdown that describes the experiment in MLflow.
        further: facts for which a terminal has no room; when it was started is added.
        others: attributes of the presentation that a study sets otherwise.
    """
    record = report.record
    alike: dict[str, Any] = {
        "experiment": record.experiment,
        "tracked": record.experiment,
        "title": title,
        "facts": (*facts, f"backbone {record.backbone}"),
        "further": (*further, record.provenance.get("started", "")),
        "says": record.description,
        "verdict": report.verdict,
        "complete": report.complete,
        "written": partial(blocks, report),
        "document": report.as_json,
        "about": note,
        "tracking": partial(tracking, report),
    }
    return Presentation(**{**alike, **others})


def closing(report: StudyReport, circumstances: Iterable[tuple[str, str]], compared: int = 2) -> Iterator[Block]:
    """Yield what stands at the end of a page: what was not equal, settings, data, and how to run it once more.

    ``circumstances``: terms with their explanations; ``compared``: how many rows there are.
    """
    if compared > 1:
        yield not_equal(report.unequal, report.record.reference)
    yield Definitions("Circumstances", [*circumstances])
    yield from data_table(report.record.data_sources)
    yield rerun_block(report.record.provenance)
