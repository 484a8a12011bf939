"""MLflow behind a small interface: say what a run looks like, and ``sync`` adds what the server does not have yet.

The workspace is the truth and MLflow a view of it. Nothing here is needed to go on with a run: a server that is dead or
slow raises TrackingError within seconds, and a later sync of the same record makes up for it.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from workbench import atomic
from workbench.errors import TrackingError, UnwritableError
from workbench.mlflow.address import shown
from workbench.mlflow.bounded_client import LOCAL, BoundedClient
from workbench.mlflow.datasets import log_data
from workbench.mlflow.models import find_model, log_models, models_are_whole
from workbench.mlflow.quiet import quick_and_quiet
from workbench.mlflow.registration import Entry, Registered, enter
from workbench.mlflow.relocation import artifact_folder, relocate
from workbench.mlflow.run_record import EXPERIMENT_ID, NOTE_TAG, RUN_ID, content_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workbench.mlflow.run_record import RunRecord

KEY_TAG, ROOT_TAG, CONTENT_TAG = "workbench.key", "workbench.root", "workbench.content"
METRICS_A_BATCH, PARAMS_A_BATCH = 800, 100  # MLflow takes at most 1,000 entries in a batch, 100 of them parameters
TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # the UI shows runs and charts, not traces


class Tracker:
    """One MLflow server or database. Creating a tracker neither imports MLflow nor contacts the server."""

    def __init__(self, uri: str, say: Callable[[str], None] = lambda line: None, artifacts: Path | None = None) -> None:
        """Keep what is given.

        Args:
            uri: as :func:`tracking_uri` gives it.
            say: hears that a database was moved.
            artifacts: of a database, where they do not lie beside it.
        """
        self.uri, self.say, self.artifacts = uri, say, artifacts

    def ping(self) -> None:
        """Ask for one experiment.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        with self._answering():
            self._client.search_experiments(max_results=1)

    def sync(self, experiment: str, record: RunRecord, about: str = "", within: float = math.inf) -> str:
        """Add to ``experiment`` whatever of ``record`` and its children is not there yet; return the run's id.

        A second sync of the same record changes nothing, and one that was cut off is completed by the next.

        Args:
            experiment: its name in MLflow.
            record: what it should hold.
            about: Markdown that describes the experiment, where nobody has described it yet.
            within: seconds. What is not there by then is left for the next sync: a server may answer every request in
                time and still take minutes for all of them.

        Raises:
            TrackingError: the server does not answer, answers too late, or refuses.
        """
        with self._answering(within):
            return self._sync(experiment, record, about)

    def newest(self, artifact: str) -> list[tuple[str, str, bool]]:
        """Return each experiment's newest run that stands below no other, newest first.

        Each is the experiment's name, the run's path in the UI, and whether ``artifact`` (``report/report.html``) is
        among its files.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        with self._answering():
            names = {one.experiment_id: one.name for one in self._client.search_experiments()}
            newest: dict[str, str] = {}
            for run in self._client.search_runs([*names], order_by=["attributes.start_time DESC"]):
                if run.data.tags.get(ROOT_TAG) and "mlflow.parentRunId" not in run.data.tags:
                    newest.setdefault(run.info.experiment_id, run.info.run_id)
            folder = str(PurePosixPath(artifact).parent)
            return [
                (
                    names[place],
                    f"experiments/{place}/runs/{run}",
                    any(each.path == artifact for each in self._client.list_artifacts(run, folder)),
                )
                for place, run in newest.items()
            ]

    def register(self, experiment: str, record: RunRecord, entry: Entry) -> Registered:
        """Sync ``record``, and enter the model of it that ``entry`` names into the registry; raises as :meth:`sync`."""
        with self._answering():
            self._sync(experiment, record)
            model = find_model(self._client, self._experiment(experiment), entry.model)
            if model is None:
                hint = "Delete the run in MLflow too, and register again: it is logged anew."
                raise TrackingError(f"the model of {entry.adapter!r} was deleted", where=shown(self.uri), hint=hint)
            return enter(self._client, entry, model)

    @contextmanager
    def _answering(self, within: float = math.inf) -> Iterator[None]:
        with quick_and_quiet():
            from alembic.util import CommandError
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            _forget_folders()
            try:
                self._client.deadline = time.monotonic() + within
                yield
            except TrackingError as error:
                if error.where:
                    raise
                raise self._failed(error.what) from error
            except UnwritableError as error:
                raise self._failed(error.what) from error
            except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise self._failed(first[:300]) from error

    def _failed(self, what: str) -> TrackingError:
        return TrackingError(
            f"MLflow does not answer as it should: {shown(what)}",
            where=shown(self.uri),
            hint="The workspace holds everything; `workbench report --log` writes it to MLflow later.",
        )

    @cached_property
    def _client(self) -> BoundedClient:
        if self.database and self.database.is_dir():
            raise TrackingError("it names a folder, not a file for the database")
        if self.database and not self.database.exists():
            _set_up(self.database)
        elif self.database and (line := relocate(self.database, self.artifacts)):
            self.say(line)
        return BoundedClient(self.uri)

    @property
    def database(self) -> Path | None:
        """The file that holds everything; None where a server does."""
        if not self.uri.startswith(LOCAL):
            return None
        return Path(unquote(self.uri.removeprefix(LOCAL).partition("?")[0])).absolute()

    def _sync(self, experiment: str, record: RunRecord, about: str = "") -> str:
        place, root = self._experiment(experiment, about), hashlib.sha256(record.key.encode()).hexdigest()
        known = {run.data.tags.get(KEY_TAG): run for run in self._runs(place, root)}
        parent = self._write(place, record, known.get(record.key), {ROOT_TAG: root})
        for child in record.children:
            tags = {ROOT_TAG: root, "mlflow.parentRunId": parent}
            self._write(place, child, known.get(child.key), tags)
        return parent

    def _experiment(self, name: str, about: str = "") -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            folder = artifact_folder(self.database).as_uri() if self.database else None
            tags = TRAINING | ({NOTE_TAG: about} if about else {})
            return _identity(self._client.create_experiment(name, artifact_location=folder, tags=tags))
        identity = _identity(found.experiment_id)
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"the MLflow experiment {name!r} was deleted",
                where=shown(self.uri),
                hint=f"Restore it (`mlflow experiments restore -x {identity}`) or rename the recipe.",
            )
        if about and not found.tags.get(NOTE_TAG):
            self._client.set_experiment_tag(identity, NOTE_TAG, about)
        return identity

    def _runs(self, experiment: str, root: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([experiment], f"tags.`{ROOT_TAG}` = '{root}'", page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _write(self, experiment: str, record: RunRecord, run: Any, tags: Mapping[str, str]) -> str:
        """Bring one run up to the record; the tag that says so is written last, after everything it vouches for."""
        if run is None:
            run = self._client.create_run(experiment, tags={KEY_TAG: record.key, **tags}, run_name=record.name)
        run_id, content = _identity(run.info.run_id), content_digest(record)
        if run.data.tags.get(CONTENT_TAG) == content and self._is_whole(experiment, run_id, record):
            return run_id
        metrics, params = self._missing_metrics(run, record), _missing_params(run, record)
        self._log(run_id, metrics, params, _changed_tags(run, record))
        if record.artifacts:
            self._upload(run_id, record.artifacts)
        log_data(self._client, run_id, record.data)
        log_models(self._client, experiment, run_id, record.models)
        if record.finished:
            self._client.set_terminated(run_id)
        self._client.set_tag(run_id, CONTENT_TAG, content)
        return run_id

    def _is_whole(self, experiment: str, run_id: str, record: RunRecord) -> bool:
        """Return whether the files that a run's tag vouches for are there; somebody may have deleted them."""
        folders = {str(PurePosixPath(name).parent) for name in record.artifacts}
        listed = [each for folder in sorted(folders) for each in self._client.list_artifacts(run_id, folder)]
        sizes = {each.path: each.file_size for each in listed}
        if any(sizes.get(name) != len(content) for name, content in record.artifacts.items()):
            return False
        return models_are_whole(self._client, experiment, record.models)

    def _missing_metrics(self, run: Any, record: RunRecord) -> list[Any]:
        """Return the points that the stored histories do not end with, step by step."""
        from mlflow.entities import Metric

        stored: dict[tuple[str, int], float] = {}
        for name in {name for name, _, _ in record.metrics} & set(run.data.metrics):
            history = self._client.get_metric_history(run.info.run_id, name)
            for point in sorted(history, key=lambda point: int(point.timestamp)):
                stored[name, point.step] = point.value
        now = int(time.time() * 1000)
        points = [(name, value, step) for name, value, step in record.metrics if _is_number(value)]
        return [Metric(name, value, now, step) for name, value, step in points if stored.get((name, step)) != value]

    def _log(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        """Write in as few transactions as MLflow allows."""
        self._client.log_batch(run_id, metrics[:METRICS_A_BATCH], params[:PARAMS_A_BATCH], tags)
        for start in range(METRICS_A_BATCH, len(metrics), METRICS_A_BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
        for start in range(PARAMS_A_BATCH, len(params), PARAMS_A_BATCH):
            self._client.log_batch(run_id, params=params[start : start + PARAMS_A_BATCH])

    def _upload(self, run_id: str, artifacts: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            for name, content in artifacts.items():
                path = Path(scratch) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._client.log_artifacts(run_id, scratch)


def _forget_folders() -> None:
    """Empty MLflow's memory of where runs keep their files: it goes by run alone, which a copied database has too."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()


def _set_up(database: Path) -> None:
    """Create MLflow's tables, off the disk's slow path, and put the file in place in one piece.

    MLflow gets there through all the schemas it ever had, and waits for the disk after each step: 5 s instead of 1 s.
    """
    from mlflow.tracking import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def do_not_wait(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    with tempfile.TemporaryDirectory() as scratch:
        event.listen(Engine, "connect", do_not_wait)
        try:
            MlflowClient(tracking_uri=f"sqlite:///{scratch}/mlflow.db").search_experiments(max_results=1)
        finally:
            event.remove(Engine, "connect", do_not_wait)
        if not database.exists():
            atomic.write_whole(database, Path(scratch, "mlflow.db").read_bytes())


def _identity(given: Any) -> str:
    """Return the id of an experiment or a run as text; a server that gives none keeps nothing."""
    if not given:
        raise TrackingError("it names no id for what it was asked to keep")
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


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
