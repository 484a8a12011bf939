"""What studies of contestants and seeds share: their record and report, where data came from, and their MLflow runs."""

from experiments.studies._record import Record
from experiments.studies._report import StudyReport
from experiments.studies._sources import data_sources, data_table, used
from experiments.studies._tracking import child, parent, with_bounds

__all__ = ["Record", "StudyReport", "child", "data_sources", "data_table", "parent", "used", "with_bounds"]
