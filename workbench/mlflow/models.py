"""The models that came out of an MLflow run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.mlflow.bounded_client import all_pages

if TYPE_CHECKING:
    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient

MODEL_TAG = "workbench.model"
DESCRIPTION = "MLmodel"  # MLflow's own file, which says how a model is loaded


@dataclass(frozen=True)
class TrackedModel:
    """A model that MLflow should hold."""

    key: str  # finds the model again; equal keys, equal files
    name: str  # shown by the UI; what MLflow allows in none is replaced
    # writes it into a new folder, in MLflow's format; is handed MLflow's description to complete
    save: Callable[[Path, Any], None]
    params: Mapping[str, str] = field(default_factory=dict)  # by name
    tags: Mapping[str, str] = field(default_factory=dict)  # by name
    metrics: Mapping[str, float] = field(default_factory=dict)  # by name
    # that it consists of beside MLflow's description, as paths in the folder → bytes. One that was lost or cut is
    # written again
    files: Mapping[str, int] = field(default_factory=dict)


class LoggedModels:
    """The models that an experiment of MLflow has, by key: found with one question where several are looked for."""

    def __init__(self, client: BoundedClient, experiment: str, several: bool) -> None:
        """Ask nothing yet."""
        self._client, self._experiment, self._several = client, experiment, several
        self._known: dict[str, Any] | None = None

    def find(self, key: str) -> Any:
        """Return MLflow's entity of a model, ready or not; None where there is none."""
        if not self._several:
            return find_model(self._client, self._experiment, key)
        if self._known is None:
            self._known = _models_of(self._client, self._experiment)
        return self._known.get(key)

    def log(self, run: Any, models: Sequence[TrackedModel]) -> None:
        """Log what is not there yet of ``models``, and name all of them as outputs of ``run``.

        A model is ready when all of its files are there; one whose upload was cut off is completed.
        """
        from mlflow.entities import LoggedModelOutput

        run_id, logged = run.info.run_id, []
        for model in models:
            entity = self.find(model.key)
            if entity is None or not _is_whole(self._client, entity, model):
                entity = _log(self._client, self._experiment, run_id, model, entity)
                if self._known is not None:
                    self._known[model.key] = entity
            logged.append(entity.model_id)
        linked = {output.model_id for output in run.outputs.model_outputs} if run.outputs else set()
        if outputs := [LoggedModelOutput(model, step=0) for model in logged if model not in linked]:
            self._client.log_outputs(run_id, outputs)

    def are_whole(self, models: Sequence[TrackedModel]) -> bool:
        """Return whether all files of ``models`` are there; a model that a person deleted is not missed."""
        entities = [(self.find(model.key), model) for model in models]
        return all(_is_whole(self._client, entity, model) for entity, model in entities if entity is not None)


def _is_whole(client: BoundedClient, entity: Any, model: TrackedModel) -> bool:
    if str(entity.status) != "READY":
        return False
    sizes = client.file_sizes(entity.artifact_location, (DESCRIPTION, *model.files))
    return DESCRIPTION in sizes and all(sizes.get(name) == size for name, size in model.files.items())


def _models_of(client: BoundedClient, experiment: str) -> dict[str, Any]:
    """Return the newest model of each key."""
    models: dict[str, Any] = {}
    for entity in all_pages(lambda token: client.search_logged_models([experiment], page_token=token)):
        models.setdefault(entity.tags.get(MODEL_TAG, ""), entity)
    return models


def find_model(client: BoundedClient, experiment: str, key: str) -> Any:
    """Return MLflow's entity of a model, ready or not; None where there is none."""
    pages = client.search_logged_models([experiment], filter_string=f"tags.`{MODEL_TAG}` = '{key}'")
    return next(iter(pages), None)


def _log(client: BoundedClient, experiment: str, run: str, model: TrackedModel, begun: Any) -> Any:
    from mlflow.entities import Metric
    from mlflow.models import Model

    entity = begun or client.create_logged_model(
        experiment,
        name=re.sub(r"[/:.%\"']", "-", model.name),
        source_run_id=run,
        tags={MODEL_TAG: model.key, **model.tags},
        params=dict(model.params),
        model_type="adapter",
    )
    about = Model(
        artifact_path=entity.artifact_location, run_id=run, model_uuid=entity.model_id, model_id=entity.model_id
    )
    with scratch_folder() as scratch:
        model.save(scratch / "model", about)
        client.log_model_artifacts(entity.model_id, str(scratch / "model"))
    now = int(time.time() * 1000)
    new = str(entity.status) != "READY"  # else its files alone were lost
    points = [
        Metric(name, value, now, 0, model_id=entity.model_id, run_id=run) for name, value in model.metrics.items()
    ]
    if points and new:
        client.log_batch(run, points)
    return client.finalize_logged_model(entity.model_id, "READY")
