"""Bounds on an adapter, held against its validation score, the champion's, and its answers to validation examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.gating.gate import Check, Gate
from experiments.gating.validation_answers import check_answers, require_answers
from workbench.choosing import measure, registered_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from experiments.gating.adapter_bounds import AdapterBounds
    from experiments.workspace import Workspace
    from workbench.listener import Listener
    from workbench.manifest import Manifest
    from workbench.mlflow.registration import Version
    from workbench.stored_adapter import StoredAdapter


def gate_adapter(
    workspace: Workspace,
    stored: StoredAdapter,
    other: StoredAdapter | None,
    bounds: AdapterBounds,
    task_folders: Sequence[Path],
    listener: Listener,
) -> Gate:
    """Check bounds on an adapter.

    Args:
        workspace: where it is, with its tracking store.
        stored: the adapter.
        other: the one that ``bounds.against`` means.
        bounds: what is asked.
        task_folders: of the person's own tasks.
        listener: hears that MLflow's database was moved.

    Raises:
        InputError: the validation examples are needed and are not to be had, or cannot be compared.
        TrackingError: MLflow does not answer, and has to say which score the champion has.
    """
    if bounds.needs_answers:
        require_answers(stored, other, bounds)
    checks = [*_by_score(workspace, stored.manifest, bounds, listener)]
    if bounds.needs_answers:
        checks += check_answers(stored, other, bounds, task_folders)
    return Gate("adapter", stored.id, tuple(checks))


def _by_score(workspace: Workspace, manifest: Manifest, bounds: AdapterBounds, listener: Listener) -> Iterator[Check]:
    score = 100 * manifest.fit.validation
    if bounds.min_score is not None:
        yield Check(next(iter(manifest.metrics)).replace("_", " "), "at least", bounds.min_score, score)
    if bounds.below_champion is not None:
        from experiments.engine.publish import writing_tracker

        name = registered_name(manifest)
        champion = writing_tracker(workspace, listener.say).champion(name)
        yield _against(champion, name, manifest, score, bounds.below_champion)


def _against(champion: Version | None, name: str, manifest: Manifest, score: float, margin: float) -> Check:
    """Return the check against the champion; the first adapter of a name has none to fall below."""
    label = "not below the champion"
    if champion is None:
        return Check(label, "at least", None, score, note=f"{name} has no champion yet")
    if champion.adapter == manifest.id:
        return Check(label, "at least", None, score, note=f"it is the champion of {name}")
    if champion.validation is None or champion.measure != measure(manifest):
        note = f"version {champion.number} of {name} has no score on the same validation examples"
        return Check(label, "at least", None, None, note=note)
    note = f"version {champion.number} of {name}{f', {margin:g} below it allowed' if margin else ''}"
    return Check(label, "at least", 100 * champion.validation - margin, score, note=note)
