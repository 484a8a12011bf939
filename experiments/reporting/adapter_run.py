"""An adapter as an MLflow run of its own, a logged model, and an entry of the model registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.name_resolution import registered_name
from adapter_workbench.workbench.adapters.stored_adapter import check_files
from adapter_workbench.workbench.errors import IntegrityError, TrackingError
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.mlflow.datasets import TrackedData
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from adapter_workbench.workbench.mlflow.models import TrackedModel
from adapter_workbench.workbench.mlflow.registration import Entry
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG, RunRecord, moment
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mlflow.models import Model

    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.manifest import Manifest, TaskReference
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.adapters.validation_scores import Score

EXPERIMENT = "adapters"
ABOUT = "Adapters that were trained or composed one by one, a run each, with their data and a model to serve."
VIEW = View(("task", "method", "backbone"), ("test_score", "val_score"))  # longer names are cut by the UI
Point = tuple[str, float | None, int]


def run_record(
    stored: StoredAdapter, test: Mapping[str, float], score: Score | None, system: tuple[Point, ...] = ()
) -> RunRecord:
    """Return what MLflow should hold of an adapter.

    Of one that another program trained neither data, seed and budget nor costs are known, and nothing is said of them.

    Args:
        stored: the adapter.
        test: its scores on the test split, where it was tested.
        score: on validation, that counts in the workspace; None where none does.
        system: samples of the machine's load.
    """
    manifest = stored.manifest
    task, backbone, fit = manifest.task, manifest.backbone, manifest.fit
    composed = manifest.composition.method if manifest.composition else ""
    params = _params(manifest)
    params |= {metric_name(name): str(value) for name, value in manifest.settings.items()}
    params |= {metric_name("budget", name): str(value) for name, value in _budget(manifest).items()}
    step = fit.best_epoch if fit else 0
    about = {"task": task.name, "method": manifest.method, "backbone": backbone.name}
    whence = f", trained elsewhere ({manifest.elsewhere.program})" if manifest.elsewhere else ""
    summary = f"{composed or manifest.method} for {task.name} on {backbone.name}{whence}"
    note = "\n".join([escape(summary), "", *_facts(manifest, test), "", "Scores are fractions of 1.", "", VIEW.links()])
    return RunRecord(
        key=stored.identity,
        name=manifest.id,
        tags={NOTE_TAG: note, "adapter": manifest.id, **about, **({"composition": composed} if composed else {})},
        params=params,
        metrics=(
            *_epochs(stored),
            *((metric_name(name), value, step) for name, value in _scores(manifest).items()),
            *((metric_name(f"test_{name}"), value, step) for name, value in test.items()),
            *((name, value, step) for name, value in _main(manifest, test, score)),
            *((name, value, step) for name, value in _costs(fit)),
            ("cost/stored_bytes", float(stored.bytes), step),
            *system,
        ),
        data=_data(task),
        models=(tracked_model(stored, test),),
        view=VIEW,
        began=None if fit is None or (made := moment(manifest.created or "")) is None else made - fit.seconds,
        seconds=fit.seconds if fit else None,
    )


def _params(manifest: Manifest) -> dict[str, str]:
    """Return what a run and a model of MLflow say of an adapter first."""
    facts = {"task": manifest.task.name, "method": manifest.method, "backbone": manifest.backbone.name}
    origin = {"trained": f"elsewhere ({manifest.elsewhere.program})"} if manifest.elsewhere else {}
    return {**facts, **({} if manifest.seed is None else {"seed": str(manifest.seed)}), **origin}


def _budget(manifest: Manifest) -> dict[str, Any]:
    """Return what is known of the budget."""
    return manifest.budget.model_dump(exclude_unset=manifest.elsewhere is not None)


def _costs(fit: FitRecord | None) -> Iterator[tuple[str, float | None]]:
    if fit is not None:
        yield "cost/train_seconds", fit.seconds
        yield "cost/peak_memory_mb", fit.peak_memory_mb
        yield "cost/trainable_parameters", float(fit.trainable_parameters)


def _data(task: TaskReference) -> tuple[TrackedData, ...]:
    """Return the data that an adapter was trained on; none where they are unknown."""
    facts = {"origin": task.origin, "license": task.license or "unknown"}
    return (TrackedData(task.name, task.fingerprint, facts),) if task.fingerprint else ()


def tracked_data(known: Mapping[str, str], tasks: Sequence[str]) -> tuple[TrackedData, ...]:
    """Return the data of ``tasks`` by what is ``known`` of them: task → SHA-256 of its rows."""
    return tuple(TrackedData(task, known[task]) for task in tasks if task in known)


def tracked_model(stored: StoredAdapter, test: Mapping[str, float]) -> TrackedModel:
    """Return an adapter as a model that MLflow holds and serves."""

    def save(folder: Path, about: Model) -> None:
        from adapter_workbench.workbench.mlflow import (
            logged_model,  # torch and all: what is logged already needs none of it
        )

        try:
            check_files(stored)
        except IntegrityError as error:  # what MLflow has of it may be whole
            raise TrackingError(error.what, where=error.where, hint=error.hint) from None
        logged_model.save(stored, folder, about)

    manifest = stored.manifest
    measured = {**_scores(manifest), **{f"test_{name}": value for name, value in test.items()}}
    return TrackedModel(
        key=stored.identity,
        name=manifest.id,
        save=save,
        params=_params(manifest),
        tags={"adapter": manifest.id},
        metrics={metric_name(name, manifest.task.name): value for name, value in measured.items()},
        files={f"data/{stored.folder.name}/{file}": size for file, size in stored.sizes.items()},
    )


def entry(stored: StoredAdapter, score: Score | None, test: Mapping[str, float] | None = None) -> Entry:
    """Return an adapter as an entry of the registry.

    Args:
        stored: the adapter.
        score: on validation, that counts in the workspace; None where none does.
        test: its scores on the test split, where it was tested.
    """
    manifest = stored.manifest
    return Entry(
        name=registered_name(manifest),
        model=stored.identity,
        adapter=manifest.id,
        measure=score.measure if score else None,
        validation=score.validation if score else None,
        examples=score.examples if score else "",
        description=_description(manifest, test or {}),
        about=f"{escape(manifest.method)} adapters for {escape(manifest.task.name)}. The alias `champion` answers.",
    )


def _description(manifest: Manifest, test: Mapping[str, float]) -> str:
    """Return a version's description in Markdown: what it is, its scores, and how to ask it."""
    task = manifest.task
    made = f"trained elsewhere ({manifest.elsewhere.program})" if manifest.elsewhere else f"seed {manifest.seed}"
    summary = f"{manifest.id}: {manifest.method} for {task.name} on {manifest.backbone.name}, {made}."
    texts = '[{"text": "A text.", "text_pair": "Another."}]' if task.pair else '["A text."]'
    asked = f'{{"adapter": "{manifest.id}", "texts": {texts}}}'
    return "\n".join(
        [
            escape(summary),
            "",
            *_facts(manifest, test),
            "",
            f"Scores are fractions of 1. `workbench serve {manifest.id}` answers with it:",
            "",
            f"    curl localhost:8080/predict -H 'Content-Type: application/json' -d '{asked}'",
        ]
    )


def _facts(manifest: Manifest, test: Mapping[str, float]) -> list[str]:
    """Return the scores as a list in Markdown."""
    scores = {**_scores(manifest), **{f"test {name}": value for name, value in test.items()}}
    return [f"- {escape(name.replace('_', ' '))}: {value:.4f}" for name, value in scores.items()]


def _main(manifest: Manifest, test: Mapping[str, float], score: Score | None) -> Iterator[tuple[str, float]]:
    """Yield the score that counts, under names that adapters of all kinds of tasks share: columns of one table."""
    metric = KINDS.get(manifest.task.kind).metric
    if metric in test:
        yield "test_score", test[metric]
    if score is not None:
        yield "val_score", score.validation


def _scores(manifest: Manifest) -> dict[str, float]:
    """Return the scores in a manifest by name; those of an adapter from elsewhere are called its sender's."""
    whose = "" if manifest.imported is None else "sender_"
    return {f"{whose}{name}": value for name, value in manifest.metrics.items()}


def _epochs(stored: StoredAdapter) -> Iterator[Point]:
    for epoch in stored.manifest.own_fit.epochs if stored.manifest.imported is None else ():
        yield "train_loss", epoch.train_loss, epoch.epoch
        yield "validation", epoch.validation, epoch.epoch
