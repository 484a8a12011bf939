"""Reads the results of a stream's pieces, for its record; no model is needed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies import adapter_ids
from adapter_workbench.experiments.strategies._groups import groups_in
from adapter_workbench.experiments.studies.stream.work.stage_folders import StageFolders
from adapter_workbench.workbench.errors import IntegrityError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

    ChosenStage = tuple[Mapping[str, Any], str]


def chosen_stages(document: RecordDocument, rungs: Mapping[str, int]) -> list[ChosenStage]:
    """Return the coordinates and the stage's key of each piece that is a stage.

    Args:
        document: the record.
        rungs: label → which of its learning rates was chosen; a label that has none is left out, where it tries some.
    """
    stages = []
    for coordinates in (piece.coordinates for piece in document.pieces):
        if "step" in coordinates:
            stages.append((coordinates, coordinates["step"]))
        elif "steps" in coordinates and coordinates["label"] in rungs:
            stages.append((coordinates, coordinates["steps"][rungs[coordinates["label"]]]))
    return stages


def outcomes_of(stages: Iterable[ChosenStage], document: RecordDocument, workspace: Workspace) -> list[StageOutcome]:
    """Return the outcomes of a stream's stages; all that are damaged or missing are named in one IntegrityError."""
    outcomes: list[StageOutcome] = []
    damaged: list[IntegrityError] = []
    for coordinates, stage_key in stages:
        try:
            outcome = _relabelled(coordinates, stage_key, workspace)
            if outcome is None and document.finished and not workspace.access.mends:
                path = StageFolders(workspace).folder(stage_key) / coordinates["outcome"]
                raise IntegrityError("result file of this stage is missing", where=str(path))
        except IntegrityError as error:
            damaged.append(error)
            continue
        if outcome:
            outcomes.append(outcome)
    if damaged:
        first, *others = damaged
        also = "".join(f"; also {error.where}: {error.what}" for error in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        raise IntegrityError(f"{first.what}{also}{more}", where=first.where)
    return outcomes


def _relabelled(coordinates: Mapping[str, Any], stage_key: str, workspace: Workspace) -> StageOutcome | None:
    """Return a stage's outcome under the label and the order that this experiment gives it."""
    outcome = StageFolders(workspace).outcome(stage_key, coordinates["outcome"])
    if outcome is None:
        return None
    for cell in outcome.cells if not workspace.access.mends else ():
        if cell.evaluation:
            workspace.evaluations.require_outcomes(cell.evaluation)
    return replace(outcome, label=coordinates["label"], order=coordinates["order"])


def own_adapters(stage_key: str, workspace: Workspace) -> dict[str, StoredAdapter]:
    """Return the adapters that a stage left, by task, as far as they are still there; none where tasks share one."""
    adapters = {}
    with suppress(IntegrityError):  # a report needs none of them
        for task, name in adapter_ids(StageFolders(workspace).folder(stage_key) / "state").items():
            with suppress(UnknownNameError, IntegrityError):
                adapters[task] = workspace.adapters.get(name)
    return adapters


def shared_adapters(stage_key: str, workspace: Workspace) -> tuple[tuple[str, ...], ...]:
    """Return the tasks of each adapter after a stage, where tasks share some; none where that is unknown."""
    with suppress(IntegrityError):
        return tuple(group.tasks for group in groups_in(StageFolders(workspace).folder(stage_key) / "state").groups)
    return ()
