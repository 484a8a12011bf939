"""One run of MLflow's brought up to its record: only what is not there yet is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.mlflow.bounded_client import all_pages
from adapter_workbench.workbench.mlflow.datasets import log_data
from adapter_workbench.workbench.mlflow.models import LoggedModels
from adapter_workbench.workbench.mlflow.run_record import CONTENT_TAG, NOTE_TAG, RUN_ID, content_digest
from adapter_workbench.workbench.mlflow.view import EXPERIMENT_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient
    from adapter_workbench.workbench.mlflow.histories import MetricHistories
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

KEY_TAG, ROOT_TAG = "workbench.key", "workbench.root"
TITLE_TAG = "workbench.title"  # what the run was last called here
PARENT_TAG = "mlflow.parentRunId"
METRICS_A_BATCH, PARAMS_A_BATCH = 800, 100  # MLflow takes at most 1,000 entries in a batch, 100 of them parameters


def root_of(key: str) -> str:
    """Return what the tag ``workbench.root`` says of all runs of the record with this key."""
    return hashlib.sha256(key.encode()).hexdigest()


def runs_below(client: BoundedClient, experiment: str, root: str) -> Iterator[Any]:
    """Yield the runs of an experiment that belong to the record with this root."""
    yield from runs_of(client, [experiment], f"tags.`{ROOT_TAG}` = '{root}'")


def runs_of(
    client: BoundedClient, experiments: Sequence[str], filter_string: str = "", order_by: Sequence[str] = ()
) -> Iterator[Any]:
    """Yield the runs of experiments, asked for page by page."""
    yield from all_pages(
        lambda token: client.search_runs(experiments, filter_string, order_by=[*order_by], page_token=token)
    )


@dataclass(frozen=True)
class RunWriter:
    client: BoundedClient  # of MLflow
    experiment: str  # its id
    histories: MetricHistories  # what is known of the runs' metrics
    models: LoggedModels  # that the experiment has

    def write(self, record: RunRecord, run: Any, tags: Mapping[str, str]) -> str:
        """Write what a run lacks of its record, return its id; the tag that marks it complete is written last.

        ``run`` is None where there is none yet; ``tags`` tell to which experiment and under which run it belongs.
        """
        client = self.client
        if run is None:
            began = None if record.began is None else round(1000 * record.began)
            own = {KEY_TAG: record.key, **tags}
            run = client.create_run(self.experiment, start_time=began, tags=own, run_name=record.name)
        run_id, content = identity(run.info.run_id), content_digest(record)
        for name, value in tags.items():
            if run.data.tags.get(name) != value:  # the run above was deleted, and is another one now
                client.set_tag(run_id, name, value)
        if run.data.tags.get(CONTENT_TAG) == content and self._is_whole(run.info.artifact_uri, record):
            return run_id
        with self.histories.missing(client, run, record, content) as metrics:
            _log(client, run_id, metrics, _missing_params(run, record), _changed_tags(run, record))
            _rename(client, run, record)
            if record.artifacts:
                _upload(client, run_id, record.artifacts)
            log_data(client, run_id, record.data)
            self.models.log(run, record.models)
            if record.finished:
                client.set_terminated(run_id, end_time=_end(run, record))
            client.set_tag(run_id, CONTENT_TAG, content)
        return run_id

    def _is_whole(self, location: str, record: RunRecord) -> bool:
        """Return whether the files that a run's tag vouches for are there; somebody may have deleted them."""
        sizes = self.client.file_sizes(location, record.artifacts)
        if any(sizes.get(name) != len(content) for name, content in record.artifacts.items()):
            return False
        return self.models.are_whole(record.models)


def _rename(client: BoundedClient, run: Any, record: RunRecord) -> None:
    """Call a run by the record's title, unless a person has given it a name; runs are found by their key, not by it."""
    run_id, title, given = run.info.run_id, record.title, run.data.tags.get(TITLE_TAG)
    if not title or run.info.run_name not in (record.name, given, title):
        return
    if run.info.run_name != title:
        client.update_run(run_id, name=title)
    if given != title:
        client.set_tag(run_id, TITLE_TAG, title)


def _end(run: Any, record: RunRecord) -> int | None:
    """Return when a run ended, in milliseconds: as long after its start as the work took; None for now."""
    return None if record.seconds is None else int(run.info.start_time) + round(1000 * record.seconds)


def identity(given: Any) -> str:
    """Return the id of an experiment or a run as text; a server that gives none keeps nothing."""
    if not given:
        raise TrackingError("its answer has no id for what was written")
    return str(given)


def _missing_params(run: Any, record: RunRecord) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, value) for name, value in record.params.items() if name not in run.data.params]


def _changed_tags(run: Any, record: RunRecord) -> list[Any]:
    from mlflow.entities import RunTag

    wanted = dict(record.tags)
    if NOTE_TAG in wanted:
        note = wanted[NOTE_TAG].replace(RUN_ID, run.info.run_id)
        wanted[NOTE_TAG] = note.replace(EXPERIMENT_ID, run.info.experiment_id)
    return [RunTag(name, value) for name, value in wanted.items() if run.data.tags.get(name) != value]


def _log(
    client: BoundedClient, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]
) -> None:
    """Write in as few transactions as MLflow allows."""
    client.log_batch(run_id, metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH], tags)
    for start in range(METRICS_A_BATCH, len(metrics), METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
    for start in range(PARAMS_A_BATCH, len(params), PARAMS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_A_BATCH])


def _upload(client: BoundedClient, run_id: str, artifacts: Mapping[str, bytes]) -> None:
    with scratch_folder() as scratch:
        for name, content in artifacts.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, str(scratch))
