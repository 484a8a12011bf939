"""What studies of entries and seeds share: record and report, quantities and tables, sources of data, MLflow runs."""

from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.studies.core.data_sources import data_sources, data_table, used
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json, means, points, shown_in
from adapter_workbench.experiments.studies.core.record import Record, shared_facts
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import StudyReport, reported
from adapter_workbench.experiments.studies.core.track import child, parent, with_bounds

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
