"""Running any study: its pieces are done in the order of their needs, and none is done twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.provenance import provenance
from adapter_workbench.experiments.engine.workers.inline import Inline
from adapter_workbench.experiments.workspace import PieceReference, RecordDocument
from adapter_workbench.experiments.workspace.damage import READ_ONLY
from adapter_workbench.experiments.workspace.origins import left_by
from adapter_workbench.experiments.workspace.records import identity
from adapter_workbench.workbench.errors import IntegrityError, UnwritableError
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.study import Plan, Study
    from adapter_workbench.experiments.engine.workers import Workers
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener

    OnPieceDone = Callable[[RecordDocument, Piece, Workspace], None]


def run(
    study: Study,
    plan: Plan,
    workspace: Workspace,
    listener: Listener,
    command: str = "",
    workers: Workers | None = None,
    on_done: OnPieceDone = lambda record, piece, workspace: None,
    pieces: Sequence[Piece] | None = None,
    looks: Sequence[int] = (),
) -> RecordDocument:
    """Do every piece of ``plan`` that is not done yet, and return the record of all of them.

    Whatever ends the process, finished pieces stay, and the next call continues from there. Damaged results are made
    again. In a workspace that cannot be written, a finished plan is read.

    Args:
        study: the kind of experiment.
        plan: of that study.
        workspace: takes the results.
        listener: hears how it goes.
        command: as it is written to the provenance.
        workers: do the pieces, except those that measure time; by default this process does all.
        on_done: is called with each piece that this run has done: the record, the piece, and the workspace to read
            them from.
        pieces: the plan's, where they are made already, or those of them that are needed.
        looks: numbers of seeds after which verdicts are read, where seeds are added until it is decided.

    Raises:
        TrainingError: a fit failed; finished pieces are kept.
        InputError: another process runs the experiment, or its name belongs to another kind.
        UnwritableError: the workspace cannot be written, and not all pieces are done.
    """
    pieces, workers = [*(study.pieces(plan) if pieces is None else pieces)], workers or Inline()
    record = new_record(study, plan, pieces, command, looks, workers.jobs)
    made_here = workspace.mending(listener).making_for(left_by(plan.name))
    try:
        return _run(plan.name, pieces, record, made_here, listener, workers, on_done)
    except UnwritableError:
        stored = workspace.records.get(plan.name)
        if stored is None or stored.keys != record.keys or not all(piece.is_done(workspace) for piece in pieces):
            raise
        listener.say(READ_ONLY)
        return stored


def new_record(
    study: Study, plan: Plan, pieces: Sequence[Piece], command: str | None, looks: Sequence[int] = (), jobs: int = 1
) -> RecordDocument:
    """Return the record of a plan, before anything is done; without a command it says not what it is computed with."""
    about = json.loads(json.dumps({**study.shared_facts(plan), **({"verdicts_after": [*looks]} if looks else {})}))
    references = tuple(PieceReference(piece.key, json.loads(json.dumps(piece.coordinates))) for piece in pieces)
    return RecordDocument(
        study.key,
        about,
        references,
        {} if command is None else provenance(command, jobs),
        identity(study.key, about, references),
    )


def _run(
    name: str,
    pieces: Sequence[Piece],
    record: RecordDocument,
    workspace: Workspace,
    listener: Listener,
    workers: Workers,
    on_done: OnPieceDone,
) -> RecordDocument:
    with workspace.lock_experiment(name):
        if is_first():
            record = workspace.records.begin(name, record, listener.say)

        def done(piece: Piece) -> None:
            on_done(record, piece, workspace)

        workers.do([piece for piece in pieces if not piece.alone], workspace, listener, done)
        Inline().do([piece for piece in pieces if piece.alone], workspace, listener, done)
        if record.keys <= {piece.key for piece in pieces}:
            record = record.as_finished(workers.machines)
        if is_first():
            workspace.records.save(name, record)
    return record


def pending(pieces: Sequence[Piece], workspace: Workspace) -> list[Piece]:
    """Return the pieces that are not done, each once; a damaged result counts as not done."""
    undone: dict[str, Piece] = {}
    for piece in pieces:
        try:
            done = piece.is_done(workspace)
        except IntegrityError:
            done = False  # a run makes it again
        if not done:
            undone.setdefault(piece.key, piece)
    return [*undone.values()]
