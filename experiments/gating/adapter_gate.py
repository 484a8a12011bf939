"""Bounds on an adapter, held against its validation score, the champion's, and its answers to validation examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.gating.earlier_version import scored_beside
from experiments.gating.gate import Check, Gate
from experiments.gating.succession import comparable
from experiments.gating.validation_answers import check_answers, require_answers
from workbench.adapters.name_resolution import registered_name
from workbench.methods.kinds import KINDS
from workbench.mlflow.registration import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from experiments.gating.adapter_bounds import AdapterBounds
    from experiments.gating.earlier_version import ScoredChampion
    from experiments.workspace import Workspace
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.machine.listener import Listener


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
        listener: hears that MLflow's database was moved, where it has to be asked.

    Raises:
        InputError: the validation examples are needed and are not to be had, or cannot be compared.
        TrackingError: MLflow does not answer, and has to say who is champion of a name that is not known here.
    """
    if bounds.needs_answers:
        require_answers(stored, other, bounds)
    checks = [*_by_score(workspace, stored, bounds, task_folders, listener)]
    if bounds.needs_answers:
        checks += check_answers(stored, other, bounds, task_folders)
    return Gate("adapter", stored.id, tuple(checks))


def _by_score(
    workspace: Workspace,
    stored: StoredAdapter,
    bounds: AdapterBounds,
    task_folders: Sequence[Path],
    listener: Listener,
) -> Iterator[Check]:
    manifest = stored.manifest
    score = workspace.score(manifest)
    percent = None if score is None else 100 * score.validation
    unknown = "" if score else f"it came from elsewhere: `workbench adapters test {manifest.id}` measures it here"
    if bounds.min_score is not None:
        what = next(iter(manifest.metrics), f"validation_{KINDS.get(manifest.task.kind).metric}").replace("_", " ")
        seen = "trained elsewhere, perhaps on these examples" if manifest.elsewhere else ""
        yield Check(what, "at least", bounds.min_score, percent, note=unknown or seen)
    if bounds.below_champion is not None:
        from experiments.gating.registry import champion

        name = registered_name(manifest)
        version = Version.of(stored)
        version = replace(version, measure=score.measure, validation=score.validation) if score else version
        own = champion(name, workspace, listener)
        crowned = None if own is None else scored_beside(own, version, stored, workspace, task_folders)
        yield _against(crowned, name, version, bounds.below_champion, unknown)


def _against(crowned: ScoredChampion | None, name: str, version: Version, margin: float, unknown: str) -> Check:
    """Return the check against the champion; the first adapter of a name has none to fall below."""
    champion = None if crowned is None else crowned.version
    label, score = "not below the champion", None if version.validation is None else 100 * version.validation
    if unknown:
        return Check(label, "at least", None, None, note=unknown)
    if champion is None:
        return Check(label, "at least", None, score, note=f"{name} has no champion yet")
    if champion.is_of(version):
        return Check(label, "at least", None, score, note=f"it is the champion of {name}")
    if champion.validation is None or not comparable(version, champion):
        why = f"; {crowned.note}" if crowned and crowned.note else ""
        note = f"version {champion.number} of {name} has no score on the same validation examples{why}"
        return Check(label, "at least", None, None, note=note)
    how = f", {crowned.note}" if crowned and crowned.note else ""
    note = f"version {champion.number} of {name}{how}{f', {margin:g} below it allowed' if margin else ''}"
    return Check(label, "at least", 100 * champion.validation - margin, score, note=note)
