"""Running any study: its pieces are done in the order of their needs, and what is done is not done again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from experiments.engine.provenance import provenance
from experiments.engine.workers.inline import Inline
from experiments.workspace import PieceReference, RecordDocument
from experiments.workspace.damage import READ_ONLY
from experiments.workspace.records import identity
from workbench.errors import IntegrityError, UnwritableError
from workbench.machine.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.engine.piece import Piece
    from experiments.engine.study import Plan, Study
    from experiments.engine.workers import Workers
    from experiments.workspace import Workspace
    from workbench.machine.listener import Listener

    OnPieceDone = Callable[[RecordDocument, Piece, Workspace], None]


def run(
    study: Study,
    plan: Plan,
    workspace: Workspace,
    listener: Listener,
    command: str = "",
    workers: Workers | None = None,
    on_done: OnPieceDone = lambda record, piece, workspace: None,
) -> RecordDocument:
    """Do every piece of ``plan`` that is not done yet, and return the record of all of them.

    Whatever ends the process, what a piece finished stays, and the next call goes on from there. What is damaged is
    made again. Where nothing can be written, a plan that is done is read.

    Args:
        study: the kind of experiment.
        plan: the study's.
        workspace: takes what the pieces leave.
        listener: hears how it goes.
        command: what to keep as the command that was given.
        workers: who does the pieces, but for those that measure time; by default this process.
        on_done: is called with each piece that this run has done: the record, the piece, and the workspace to read
            them from.

    Raises:
        TrainingError: a fit failed; what was finished before is kept.
        InputError: the experiment is being run already, or its name belongs to another kind.
        UnwritableError: nothing can be written, and there is something to do.
    """
    pieces = study.pieces(plan)
    record = blank(study, plan, pieces, command)
    try:
        return _run(plan.name, pieces, record, workspace.mending(listener), listener, workers or Inline(), on_done)
    except UnwritableError:
        kept = workspace.records.get(plan.name)
        if kept is None or kept.keys != record.keys or not all(piece.is_done(workspace) for piece in pieces):
            raise
        listener.say(READ_ONLY)
        return kept


def blank(study: Study, plan: Plan, pieces: Sequence[Piece], command: str) -> RecordDocument:
    """Return the record of a plan that is about to be run."""
    about = json.loads(json.dumps(study.about(plan)))
    references = tuple(PieceReference(piece.key, json.loads(json.dumps(piece.coordinates))) for piece in pieces)
    return RecordDocument(study.key, about, references, provenance(command), identity(study.key, about, references))


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
        record = record.as_finished(workers.machines)
        if is_first():
            workspace.records.save(name, record)
    return record


def pending(pieces: Sequence[Piece], workspace: Workspace) -> list[Piece]:
    """Return the pieces that still have to be done, each once; damage counts as not done."""
    waiting: dict[str, Piece] = {}
    for piece in pieces:
        try:
            done = piece.is_done(workspace)
        except IntegrityError:
            done = False  # a run makes it again
        if not done:
            waiting.setdefault(piece.key, piece)
    return [*waiting.values()]
