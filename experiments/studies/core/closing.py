"""What stands at the end of the reports of all studies: what was not equal, settings, data, and the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.equality import not_equal
from experiments.reporting.presentation import Definitions
from experiments.reporting.provenance_tags import rerun_block
from experiments.studies.core.data_sources import data_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from experiments.reporting.presentation import Block
    from experiments.studies.core.report import StudyReport


def closing(report: StudyReport, circumstances: Iterable[tuple[str, str]], compared: int = 2) -> Iterator[Block]:
    """Yield what stands at the end of a page: what was not equal, settings, data, and how to run it once more.

    ``circumstances``: terms with their explanations; ``compared``: how many rows there are.
    """
    if compared > 1:
        yield not_equal(report.unequal, report.record.reference)
    yield Definitions("Circumstances", [*circumstances])
    yield from data_table(report.record.data_sources)
    yield rerun_block(report.record.provenance)
