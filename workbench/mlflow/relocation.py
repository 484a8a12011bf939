"""A database of MLflow that was moved or copied: which of its runs and versions have their files in another folder.

MLflow keeps an absolute location for every experiment, run, model and version, and changes none. After ``mv`` or
``cp -r`` they lead into the folder that was left, where nothing is, or where the original is, which a copy must never
write to. What the workspace holds is logged anew then, in experiments that lie here, and the runs that lie elsewhere
are deleted. What it no longer holds stays as it is, in an experiment that says so in its name.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from adapter_workbench.workbench.mlflow.bounded_client import all_pages
from adapter_workbench.workbench.mlflow.moved_versions import carry_over, left_versions
from adapter_workbench.workbench.mlflow.registration import aside
from adapter_workbench.workbench.mlflow.runs import PARENT_TAG, ROOT_TAG, runs_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient

ARTIFACTS = "mlartifacts"  # the folder beside the database that holds what its runs and models consist of
LOOKED_THROUGH = "workbench.looked-through"  # on an experiment that lies elsewhere: for which folder that was done
OWNER = "adapter"  # the tag of a run that is about one adapter
ID = re.compile(r"(m-)?[0-9a-f]{32}")  # as MLflow gives them to runs and models; folders are called so


@dataclass(frozen=True)
class DatabaseFiles:
    """Where the files of a database's runs lie."""

    database: Path  # the file
    artifacts: Path  # the folder

    @classmethod
    def of_database(cls, database: Path, artifacts: Path | None = None) -> DatabaseFiles:
        """Return the files of a database; ``artifacts`` is by default the folder beside it, links resolved."""
        return cls(database, artifacts or database.parent.resolve() / ARTIFACTS)

    def is_left(self, location: str) -> bool:
        """Return whether a location of MLflow's is in such a folder beside a database that was moved or copied here.

        A database that has lost its artifacts, which still lie where they were, was not.
        """
        there = _root(location)
        if there is None or there == self.artifacts:
            return False
        try:
            if there.parent.samefile(self.artifacts.parent):  # by another name
                return False
            return self.artifacts.is_dir() or not there.is_dir() or (there.parent / self.database.name).exists()
        except OSError:  # the folder that it was written for is gone, or somebody else's
            return True


@dataclass(frozen=True)
class MovedRuns:
    """What has its files elsewhere."""

    # of the records whose runs these are; see ``root_of``
    roots: frozenset[str] = frozenset()
    adapters: frozenset[str] = frozenset()  # ids of those that have a run of their own
    # registered names, and ids of adapters that have a version there, by the versions' numbers
    versions: tuple[tuple[str, str], ...] = ()
    runs: tuple[Any, ...] = field(default=(), repr=False)  # MLflow's entities of them

    def __bool__(self) -> bool:
        return bool(self.roots or self.versions)


def find_moved(client: BoundedClient, files: DatabaseFiles) -> MovedRuns:
    """Return what a database that was moved or copied has elsewhere; nothing where it was not."""
    elsewhere = [
        experiment.experiment_id
        for experiment in client.search_experiments()
        if is_ours(experiment)
        and files.is_left(experiment.artifact_location)
        and experiment.tags.get(LOOKED_THROUGH) != str(files.artifacts)
    ]
    runs = [run for run in runs_of(client, elsewhere) if ROOT_TAG in run.data.tags] if elsewhere else []
    own = {run.data.tags.get(OWNER) for run in runs if PARENT_TAG not in run.data.tags}
    return MovedRuns(
        frozenset(run.data.tags[ROOT_TAG] for run in runs),
        frozenset(filter(None, own)),
        left_versions(client, files.is_left),
        tuple(runs),
    )


def is_ours(experiment: Any) -> bool:
    """Return whether an experiment keeps its files where ours do; one that a person made has a folder of its own."""
    root = _root(experiment.artifact_location)
    return root is not None and root == _folder(experiment.artifact_location)


def make_way(client: BoundedClient, experiment: Any) -> None:
    """Rename an experiment whose files are elsewhere, so that a new one can have its name."""
    number = experiment.experiment_id
    client.rename_experiment(number, aside(experiment.name, number))


def delete(client: BoundedClient, runs: MovedRuns, roots: Collection[str], files: DatabaseFiles) -> None:
    """Delete the runs of records that were logged anew, and their files, as far as these were moved along.

    Their registered versions go the same way, and experiments in which nothing is left. In others is what the workspace
    no longer holds; they are not looked through again.
    """
    gone = [run for run in runs.runs if run.data.tags[ROOT_TAG] in roots]
    ids = {run.info.run_id for run in gone}
    for experiment in {run.info.experiment_id for run in gone}:
        for model in [*_logged_models(client, experiment)]:  # all, before any is deleted: pages move up
            if model.source_run_id in ids:
                client.delete_logged_model(model.model_id)
                clear(files.artifacts / "models", model.model_id)
    carry_over(client)
    for run in gone:
        client.delete_run(run.info.run_id)
        clear(files.artifacts, run.info.run_id)
    for experiment in {run.info.experiment_id for run in runs.runs}:
        if client.search_runs([experiment], max_results=1):
            client.set_experiment_tag(experiment, LOOKED_THROUGH, str(files.artifacts))
        else:
            client.delete_experiment(experiment)


def _logged_models(client: BoundedClient, experiment: str) -> Iterator[Any]:
    return all_pages(lambda token: client.search_logged_models([experiment], page_token=token))


def clear(parent: Path, name: str) -> None:
    """Delete the folder of a run or a model, where ``name`` is an id as MLflow gives them."""
    if ID.fullmatch(name):  # a database from elsewhere may name any path
        shutil.rmtree(parent / name, ignore_errors=True)


def _root(location: str) -> Path | None:
    """Return the folder of artifacts that a location is in; None where it is in none."""
    if urlsplit(location).scheme not in ("", "file"):
        return None
    folder = _folder(location)
    return next((path for path in (folder, *folder.parents) if path.name == ARTIFACTS), None)


def _folder(location: str) -> Path:
    return Path(unquote(urlsplit(location).path)) if location.startswith("file:") else Path(location)
