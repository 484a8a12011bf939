"""What studies of entries and seeds share: record and report, quantities and tables, sources of data, MLflow runs."""

from experiments.reporting.shown import Shown, table
from experiments.studies.core.data_sources import data_sources, data_table, used
from experiments.studies.core.quantity import Quantity, as_json, means, points, shown_in
from experiments.studies.core.record import Record, shared_facts
from experiments.studies.core.reference import Declared
from experiments.studies.core.report import StudyReport, reported
from experiments.studies.core.track import child, parent, with_bounds

__all__ = [
    "Declared",
    "Quantity",
    "Record",
    "Shown",
    "StudyReport",
    "as_json",
    "child",
    "data_sources",
    "data_table",
    "means",
    "parent",
    "points",
    "reported",
    "shared_facts",
    "shown_in",
    "table",
    "used",
    "with_bounds",
]
