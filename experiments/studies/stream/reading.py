"""From what the pieces of a stream left to its record; no model is needed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from experiments.strategies import adapter_ids
from experiments.studies.stream.record import RECORD
from experiments.studies.stream.steps import Steps
from workbench.errors import IntegrityError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from experiments.studies.stream.record import Record
    from experiments.studies.stream.stage_outcome import StageOutcome
    from experiments.workspace import RecordDocument, Workspace
    from workbench.stored_adapter import StoredAdapter


def read_record(experiment: str, document: RecordDocument, workspace: Workspace) -> Record:
    """Return a stream as far as it has come.

    Raises:
        IntegrityError: something that it is made of is damaged or missing.
    """
    content = document.content(experiment)
    try:
        blank = RECORD.validate_python(content)
        places = [piece.place for piece in document.pieces]
        last = [place for place in places if place["stage"] == len(blank.tasks)]
        outcomes = _outcomes(places, document.finished, workspace)
    except (KeyError, TypeError, ValidationError) as error:
        where = str(workspace.experiment(experiment))
        raise IntegrityError(f"damaged: this is no record of a stream ({error})", where=where) from None
    return replace(
        blank,
        outcomes=tuple(outcomes),
        examples={
            (outcome.strategy, outcome.seed, outcome.order, cell.task): workspace.evaluations.outcomes(cell.evaluation)
            for outcome in outcomes
            if outcome.stage == len(blank.tasks)
            for cell in outcome.cells
        },
        adapters={
            (place["label"], place["seed"], place["order"]): _isolated(place["step"], workspace) for place in last
        },
    )


def _outcomes(places: Sequence[Mapping[str, Any]], finished: bool, workspace: Workspace) -> list[StageOutcome]:
    """Return the outcomes of a stream's steps; all that are damaged or missing are named in one error."""
    outcomes: list[StageOutcome] = []
    damaged: list[IntegrityError] = []
    for place in places:
        try:
            outcome = _relabelled(place, workspace)
            if outcome is None and finished and not workspace.mending.listener:
                path = Steps(workspace).folder(place["step"]) / place["outcome"]
                raise IntegrityError("missing: what this step came to", where=str(path))
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


def _relabelled(place: Mapping[str, Any], workspace: Workspace) -> StageOutcome | None:
    """Return a step's outcome under the label and the order that this experiment gives it."""
    outcome = Steps(workspace).outcome(place["step"], place["outcome"])
    if outcome is None:
        return None
    for cell in outcome.cells if not workspace.mending.listener else ():
        if cell.evaluation:
            workspace.evaluations.known_outcomes(cell.evaluation)
    return replace(outcome, strategy=place["label"], order=place["order"])


def _isolated(step: str, workspace: Workspace) -> dict[str, StoredAdapter]:
    """Return the adapters that a step left, by task, as far as they are still there; none where tasks share one."""
    adapters = {}
    with suppress(IntegrityError):  # a report needs none of them
        for task, name in adapter_ids(Steps(workspace).folder(step) / "state").items():
            with suppress(UnknownNameError, IntegrityError):
                adapters[task] = workspace.adapters.get(name)
    return adapters
