"""What studies of contestants and seeds share: their record and report, where data came from, and their MLflow runs."""

from experiments.studies.core.data_sources import data_sources, data_table, used
from experiments.studies.core.record import Record
from experiments.studies.core.report import StudyReport
from experiments.studies.core.track import child, parent, with_bounds

__all__ = ["Record", "StudyReport", "child", "data_sources", "data_table", "parent", "used", "with_bounds"]
