"""MLflow behind a small interface: say what a run looks like, and ``sync`` adds what the server does not have yet.

The workspace is the truth and MLflow a view of it. Nothing here is needed to go on with a run: a server that is dead or
slow raises TrackingError within seconds, and a later sync of the same record makes up for it.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from adapter_workbench.workbench.errors import TrackingError, UnwritableError
from adapter_workbench.workbench.files import size_limit
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow import moved_versions
from adapter_workbench.workbench.mlflow.address import database_of, printable_address, without_secrets
from adapter_workbench.workbench.mlflow.alias import Succession, aliases, follow, missing
from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient
from adapter_workbench.workbench.mlflow.client_settings import quick_and_quiet
from adapter_workbench.workbench.mlflow.database import set_up
from adapter_workbench.workbench.mlflow.histories import MetricHistories
from adapter_workbench.workbench.mlflow.models import LoggedModels, find_model
from adapter_workbench.workbench.mlflow.registration import (
    Entry,
    RegisteredModel,
    Version,
    enter,
    read_model,
    registered_model,
    registered_models,
)
from adapter_workbench.workbench.mlflow.relocation import (
    DatabaseFiles,
    MovedRuns,
    delete,
    find_moved,
    is_ours,
    make_way,
)
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from adapter_workbench.workbench.mlflow.runs import (
    KEY_TAG,
    PARENT_TAG,
    ROOT_TAG,
    RunWriter,
    identity,
    root_of,
    runs_below,
    runs_of,
)
from adapter_workbench.workbench.mlflow.view import addresses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from adapter_workbench.workbench.mlflow.run_record import RunRecord
    from adapter_workbench.workbench.mlflow.view import View

OWN_NOTE_TAG = "workbench.note"  # the digest of the description that was written here
LATER = "The workspace holds everything; `workbench report EXPERIMENT --log` writes it to MLflow later."
TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # the UI shows runs and charts, not traces
UNKNOWN_USER, NOT_ALLOWED = 401, 403
MESSAGES = {
    UNKNOWN_USER: "MLflow's server does not accept this user and password. Set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), which `mlflow` reads too",
    NOT_ALLOWED: "MLflow's server does not allow this user to do that. Whoever runs it can grant EDIT on "
    "the experiment, or MANAGE on the registered model",
}


class Newest(NamedTuple):
    """The newest top-level run of an experiment."""

    experiment: str  # the experiment's name
    path: str  # of the run, in the UI
    has_artifact: bool  # whether the file that was asked for is among the run's
    views: Mapping[str, str] = {}  # what can be looked at of the experiment → the address in the UI


class Tracker:
    """One MLflow server or database. Creating a tracker neither imports MLflow nor contacts the server."""

    def __init__(self, uri: str, artifacts: Path | None = None) -> None:
        """Keep what is given.

        Args:
            uri: as :func:`tracking_uri` gives it.
            artifacts: of a database, where they do not lie beside it.
        """
        self.uri, self.database = uri, database_of(uri)
        self.files = None if self.database is None else DatabaseFiles.of_database(self.database, artifacts)
        self._histories = MetricHistories()

    def ping(self) -> None:
        """Ask for one experiment.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        with self._answering():
            self._client.search_experiments(max_results=1)

    def sync(self, experiment: str, record: RunRecord, about: str = "", within: float = math.inf) -> str:
        """Add what ``experiment`` lacks of ``record`` and its children; return the run's id.

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

    def newest(self, artifact: str) -> list[Newest]:
        """Return each experiment's newest top-level run, newest first.

        ``artifact``: a file, as ``report/report.html``, that it may have.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        with self._answering():
            every = {experiment.experiment_id: experiment for experiment in self._client.search_experiments()}
            newest: dict[str, str] = {}
            ours = f"tags.`{ROOT_TAG}` LIKE '%'"  # a shared server may have many runs of others
            for run in runs_of(self._client, [*every], ours, order_by=["attributes.start_time DESC"]):
                if PARENT_TAG not in run.data.tags:
                    newest.setdefault(run.info.experiment_id, run.info.run_id)
                if len(newest) == len(every):
                    break
            folder = str(PurePosixPath(artifact).parent)
            return [
                Newest(
                    every[experiment_id].name,
                    f"experiments/{experiment_id}/runs/{run}",
                    any(file.path == artifact for file in self._client.list_artifacts(run, folder)),
                    addresses(identity(experiment_id), every[experiment_id].tags),
                )
                for experiment_id, run in newest.items()
            ]

    def register(self, experiment: str, record: RunRecord, entry: Entry) -> RegisteredModel:
        """Sync ``record``, and enter the model of it that ``entry`` names into the registry; raises as :meth:`sync`.

        Returns: the registered model afterwards; which of its versions is the champion is not changed.
        """
        with self._answering():
            self._sync(experiment, record)
            model = find_model(self._client, self._experiment(experiment), entry.model)
            if model is None:
                hint = "Delete the run in MLflow too, and register again: it is logged anew."
                raise TrackingError(
                    f"the model of {entry.adapter!r} was deleted", where=printable_address(self.uri), hint=hint
                )
            moved_versions.make_way(self._client, entry.name, self._is_left)
            return enter(self._client, entry, model)

    def registered_model(self, name: str) -> RegisteredModel | None:
        """Return what MLflow has under a registered name, None where it has nothing; no database is made for it.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        if self._is_unmade:
            return None
        with self._answering():
            return registered_model(self._client, name)

    def aliases(self) -> dict[str, str | None]:
        """Return for each registered name the number of the version that MLflow's alias names, or None.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        if self._is_unmade:
            return {}
        with self._answering():
            return aliases(self._client)

    def registered_models(self) -> tuple[RegisteredModel, ...]:
        """Return what MLflow has under each registered name; no database is made for it.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        if self._is_unmade:
            return ()
        with self._answering():
            models = registered_models(self._client)
            return tuple(read_model(self._client, models[name]) for name in sorted(models))

    def moved_runs(self) -> MovedRuns:
        """Return what has its files in a folder that the database was moved or copied from; nothing at a server's.

        Raises:
            TrackingError: MLflow does not answer as it should.
        """
        if self.files is None or self._is_unmade:
            return MovedRuns()
        with self._answering():
            return find_moved(self._client, self.files)

    def delete(self, runs: MovedRuns, keys: Collection[str]) -> None:
        """Delete the runs that have their files elsewhere, of records with these keys, which were logged anew.

        Raises:
            TrackingError: MLflow does not answer as it should.
        """
        if self.files is not None:
            with self._answering():
                delete(self._client, runs, {root_of(key) for key in keys}, self.files)

    def follow(self, name: str, wanted: Succession, expected: Version | None) -> str | None:
        """Copy the workspace's champion to the alias of a name; see :func:`follow`.

        Raises:
            TrackingError: the server does not answer, or answers too late.
        """
        if self._is_unmade:
            return missing(name, wanted)
        with self._answering():
            return follow(self._client, name, wanted, expected)

    @property
    def _is_unmade(self) -> bool:
        return self.database is not None and not self.database.exists()

    @contextmanager
    def _answering(self, within: float = math.inf) -> Iterator[None]:
        with quick_and_quiet():
            from alembic.util import CommandError
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                self._client.deadline = time.monotonic() + within
                yield
            except TrackingError as error:
                if error.where:
                    raise
                raise self._failure(error.what) from error
            except UnwritableError as error:
                raise self._failure(error.what) from error
            except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
                if refused := refusal(error):
                    raise TrackingError(refused, where=printable_address(self.uri), hint=LATER) from error
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                limit = size_limit.in_words() if self.database and "disk I/O error" in first else None
                raise self._failure(f"{first}; {limit}" if limit else first) from error

    def _failure(self, message: str) -> TrackingError:
        return TrackingError(
            f"MLflow does not answer correctly: {without_secrets(message, self.uri)[:300]}",
            where=printable_address(self.uri),
            hint=LATER,
        )

    @cached_property
    def _client(self) -> BoundedClient:
        if self.database and self.database.is_dir():
            raise TrackingError("it names a folder, not a file for the database")
        if self.database and not self.database.exists():
            set_up(self.database)
        return BoundedClient(self.uri)

    def _is_left(self, location: str) -> bool:
        return self.files is not None and self.files.is_left(location)

    def _sync(self, experiment: str, record: RunRecord, about: str = "") -> str:
        experiment_id = self._experiment(experiment, about, record.view, record.title)
        root = root_of(record.key)
        runs = {run.data.tags.get(KEY_TAG): run for run in runs_below(self._client, experiment_id, root)}
        several = sum(len(run.models) for run in (record, *record.children)) > 1
        models = LoggedModels(self._client, experiment_id, several)
        writer = RunWriter(self._client, experiment_id, self._histories, models)
        parent = writer.write(record, runs.get(record.key), {ROOT_TAG: root})
        for child in record.children:
            writer.write(child, runs.get(child.key), {ROOT_TAG: root, PARENT_TAG: parent})
        return parent

    def _experiment(self, name: str, about: str = "", view: View | None = None, title: str = "") -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None and is_ours(experiment) and self._is_left(experiment.artifact_location):
            make_way(self._client, experiment)
            experiment = None
        if experiment is None:
            folder = self.files.artifacts.as_uri() if self.files else None
            tags = TRAINING | _description({}, about, title) | (view.experiment_tags() if view else {})
            return identity(self._client.create_experiment(name, artifact_location=folder, tags=tags))
        experiment_id = identity(experiment.experiment_id)
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the MLflow experiment {name!r} was deleted",
                where=printable_address(self.uri),
                hint=f"Restore it (`mlflow experiments restore -x {experiment_id}`) or rename the recipe.",
            )
        wanted = _description(experiment.tags, about, title) | (view.experiment_tags() if view else {})
        for tag, content in wanted.items():
            if experiment.tags.get(tag) != content:
                self._client.set_experiment_tag(experiment_id, tag, content)
        return experiment_id


def refusal(error: Exception) -> str | None:
    """Return what to say of an error of MLflow's client that is a refusal of who asks; None for any other error."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:  # artifacts are sent through requests, whose errors have the answer
        status = getattr(getattr(error, "response", None), "status_code", None)
    return MESSAGES.get(status)


def _description(tags: Mapping[str, str], about: str, title: str) -> dict[str, str]:
    """Return the tags of an experiment's description, which begins with the newest run's title.

    Empty where a person has written another one, or where ``tags`` have one and there is no title yet.
    """
    described, written = tags.get(NOTE_TAG, ""), tags.get(OWN_NOTE_TAG)
    note = f"**Newest run: {escape(title)}.** {about}" if title and about else about
    ours = described in (about, note) or written == key(described)
    if not note or (described and not (title and ours)):
        return {}
    return {NOTE_TAG: note, OWN_NOTE_TAG: key(note)}
