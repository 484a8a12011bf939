"""Bounds on an adapter, held against its validation score, the champion, and its answers to validation examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.contest import not_measured
from adapter_workbench.experiments.gating.gate import Check, Gate
from adapter_workbench.experiments.gating.validation_answers import check_answers, require_answers
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
    from adapter_workbench.experiments.gating.contest import Contest
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter


def gate_adapter(
    workspace: Workspace,
    stored: StoredAdapter,
    other: StoredAdapter | None,
    bounds: AdapterBounds,
    task_folders: Sequence[Path],
    beside: Contest | None,
) -> Gate:
    """Check bounds on an adapter.

    Args:
        workspace: where it is, with its tracking store.
        stored: the adapter.
        other: the one that ``bounds.against`` means.
        bounds: what is asked.
        task_folders: of the person's own tasks.
        beside: how the adapter compares with the champion; None where that is not asked.

    Raises:
        InputError: the validation examples are needed and are not to be had, or cannot be compared.
    """
    if bounds.needs_answers:
        require_answers(stored, other, bounds)
    checks = [*_by_score(workspace, stored, bounds)]
    checks += beside.checks(bounds.accept_loss) if beside else ()
    if bounds.needs_answers:
        checks += check_answers(stored, other, bounds, task_folders, workspace.evaluations)
    return Gate("adapter", stored.id, tuple(checks))


def _by_score(workspace: Workspace, stored: StoredAdapter, bounds: AdapterBounds) -> Iterator[Check]:
    manifest = stored.manifest
    score = workspace.score(manifest)
    percent = None if score is None else 100 * score.validation
    unknown = "" if score else not_measured(manifest.id)
    if bounds.min_score is not None:
        what = next(iter(manifest.metrics), f"validation_{KINDS.get(manifest.task.kind).metric}").replace("_", " ")
        seen = "trained elsewhere, perhaps on these examples" if manifest.elsewhere else ""
        yield Check(what, "at least", bounds.min_score, percent, note=unknown or seen)
