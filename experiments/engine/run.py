"""Running any study: its pieces are done in the order of their needs, and what is done is not done again."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.engine.provenance import provenance
from experiments.engine.side_by_side import helped
from experiments.engine.study import Site
from experiments.workspace import PieceReference, RecordDocument
from experiments.workspace.mending import READ_ONLY
from experiments.workspace.records import identity
from workbench.errors import IntegrityError, UnwritableError
from workbench.memory import libraries_set_aside
from workbench.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.engine.study import Piece, Study
    from experiments.workspace import Workspace
    from workbench.listener import Listener

    Hear = Callable[[RecordDocument, Piece, Workspace], None]

WAIT = 0.5  # seconds until a helper looks again for a piece that nobody has claimed


def run(
    study: Study,
    plan: Any,
    workspace: Workspace,
    listener: Listener,
    command: str = "",
    jobs: int = 1,
    hear: Hear = lambda record, piece, workspace: None,
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
        jobs: how many processes work side by side, each with its share of the processor's cores.
        hear: is told of each piece that had not been done: the record, the piece, the workspace to read them from.

    Raises:
        TrainingError: a fit failed; what was finished before is kept.
        InputError: the experiment is being run already, or its name belongs to another kind.
        UnwritableError: nothing can be written, and there is something to do.
    """
    pieces = study.pieces(plan)
    record = blank(study, plan, pieces, command)
    try:
        return _run(plan.name, pieces, record, workspace.mended_by(listener), listener, jobs, hear)
    except UnwritableError:
        known = workspace.records.get(plan.name)
        if known is None or known.keys != record.keys or not all(piece.is_done(workspace) for piece in pieces):
            raise
        listener.say(READ_ONLY)
        return known


def blank(study: Study, plan: Any, pieces: Sequence[Piece], command: str) -> RecordDocument:
    """Return the record of a plan that is about to be run."""
    about = json.loads(json.dumps(study.about(plan)))
    places = tuple(PieceReference(piece.key, json.loads(json.dumps(piece.place))) for piece in pieces)
    return RecordDocument(study.key, about, places, provenance(command), identity(study.key, about, places))


def _run(
    name: str,
    pieces: Sequence[Piece],
    record: RecordDocument,
    workspace: Workspace,
    listener: Listener,
    jobs: int,
    hear: Hear,
) -> RecordDocument:
    with workspace.locked(name):
        if is_first():
            record = workspace.records.begun(name, record, listener.say)
        site = Site(workspace, listener)
        together = [piece for piece in pieces if not piece.alone]
        to_do = any(not piece.is_done(workspace) for piece in pieces)
        with libraries_set_aside() if to_do else nullcontext():
            with helped(partial(help_along, together), workspace, listener, jobs):
                for piece in together:
                    _do(piece, site, record, hear)
            for piece in pieces:
                if piece.alone:
                    _do(piece, site, record, hear)
        record = record.as_finished()
        if is_first():
            workspace.records.save(name, record)
    return record


def _do(piece: Piece, site: Site, record: RecordDocument, hear: Hear) -> None:
    if piece.is_done(site.workspace):
        return
    with site.workspace.claimed(piece.key):
        _work(piece, site)
    hear(record, piece, site.workspace)


def _work(piece: Piece, site: Site) -> None:
    """Do a piece that this process has claimed, if nobody has done it meanwhile."""
    if piece.is_done(site.workspace):
        return
    began = time.perf_counter()
    piece.work(site)
    effort = piece.effort
    site.workspace.pace.note(effort.pace, effort.updates, time.perf_counter() - began)


def help_along(pieces: Sequence[Piece], workspace: Workspace, listener: Listener) -> None:
    """Do pieces that nobody has claimed, from the last one on, for a process that runs all of them.

    What needs the piece that was just done comes next: it finds the model where this process has left it.
    """
    with libraries_set_aside():
        _help_along(pieces, Site(workspace.mended_by(listener), listener))


def _help_along(pieces: Sequence[Piece], site: Site) -> None:
    done: set[str] = set()
    waiting, last = list(reversed(pieces)), ""
    while waiting:
        waiting = [piece for piece in waiting if piece.key not in done and not _noted(piece, site, done)]
        ready = [piece for piece in waiting if all(need in done for need in piece.needs)]
        ready.sort(key=lambda piece: last not in piece.needs)
        for piece in ready:
            with site.workspace.claimed(piece.key, wait=False) as mine:
                if mine:
                    _work(piece, site)
                    last = piece.key
                    done.add(last)
                    break
        else:
            time.sleep(WAIT)


def _noted(piece: Piece, site: Site, done: set[str]) -> bool:
    """Return whether a piece is done, and keep that in mind."""
    if not piece.is_done(site.workspace):
        return False
    done.add(piece.key)
    return True


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
