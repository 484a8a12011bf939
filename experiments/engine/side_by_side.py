"""Several processes on one plan: while one works from its beginning and keeps the record, helpers work from its end.

Whoever begins a piece of work claims it in the workspace, so that nobody does it twice; what a helper has finished, the
process that keeps the record finds done when it comes there. A helper that dies takes nothing along: its claims end
with it, and the work is done by somebody else. Not to be confused with :mod:`workbench.processes`, where several
processes share each single fit.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from experiments.workspace import Workspace
from workbench import processes
from workbench.errors import InputError, WorkbenchError
from workbench.interpreter import safe_path

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from workbench.listener import Listener

Help: TypeAlias = Callable[[Workspace, "Listener"], None]
Advance: TypeAlias = Callable[[int, float, float], None]
PATIENCE = 5.0  # seconds that a helper has to leave in order


@contextmanager
def helped(by: Help, workspace: Workspace, listener: Listener, jobs: int) -> Iterator[None]:
    """Let ``jobs`` − 1 further processes do ``by`` while the block runs; each has its share of the processor's cores.

    Args:
        by: does the pieces of work that nobody has claimed, the last first; it is pickled for the helpers.
        workspace: where the work is kept.
        listener: hears of the helpers' fits too, from a thread of its own.
        jobs: how many processes there are in all; with 1 there is no helper, and the block has all cores.

    Raises:
        InputError: the processes already share each fit.
        Exception: what the listener raised of a helper's fit, once the block has ended.
    """
    if jobs > 1 and processes.count() > 1:
        hint = "Start it without a launcher, or leave --jobs out."
        raise InputError("several processes share each fit already", where="--jobs", hint=hint)
    if jobs == 1:
        yield
        return
    import torch

    cores = torch.get_num_threads()
    share = max(1, cores // jobs)
    context = multiprocessing.get_context("spawn")  # a forked child cannot use its parent's thread pool, nor its GPU
    helpers, lines = [], []
    work = _written(by)
    for _ in range(jobs - 1):
        heard, said = context.Pipe(duplex=False)  # one each: a queue's lock would go down with whoever is killed
        helpers.append(context.Process(target=_help, args=(work, workspace.root, said, share), daemon=True))
        with safe_path():
            helpers[-1].start()
        said.close()  # the helper's own end is the last one, and ends with it
        lines.append(heard)
    failures: list[Exception] = []
    ear = threading.Thread(target=_hear, args=(lines, listener, failures), daemon=True)
    ear.start()
    torch.set_num_threads(share)
    try:
        yield
    finally:
        torch.set_num_threads(cores)
        for helper in helpers:
            helper.terminate()
        for helper in helpers:
            helper.join(PATIENCE)
            helper.kill()  # the lock on what it was writing ends with it, so that it is swept
            helper.join()
        ear.join()
        work.unlink(missing_ok=True)
    if failures:
        raise failures[0]


def _written(by: Help) -> Path:
    """Write what helpers are to do into a file of this user's alone, and return where.

    Handed over as an argument it would go through a pipe, which blocks for ever where a helper is killed before it has
    read all of a plan with its data.
    """
    descriptor, name = tempfile.mkstemp(prefix="workbench-", suffix=".work")
    with os.fdopen(descriptor, "wb") as file:
        pickle.dump(by, file)
    return Path(name)


@dataclass(frozen=True)
class Relay:
    """A helper's listener: passes on what it hears to the process that shows it."""

    said: Connection

    def say(self, message: str) -> None:
        """Pass on one line."""
        self.said.send(("say", message))

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Advance]:
        """Pass on that a fit begins, where it is, and that it is over."""
        self.said.send(("begin", label, steps))
        yield lambda step, epoch, loss: self.said.send(("step", step, epoch, loss))
        self.said.send(("end",))


def _help(work: Path, root: Path, said: Connection, threads: int) -> None:
    import torch
    from datasets import disable_progress_bars

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that is helped hears it, and ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    disable_progress_bars()
    torch.set_num_threads(threads)
    relay = Relay(said)
    try:
        with processes.stoppable():
            by: Help = pickle.loads(work.read_bytes())
            by(Workspace(root), relay)
    except Exception as error:  # whoever comes to the same place next tells the whole of it
        what = error.what if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
        relay.say(f"A helper stopped, and the run goes on without it. {what}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _hear(lines: list[Connection], listener: Listener, failures: list[Exception]) -> None:
    """Tell ``listener`` what helpers say until all of them have ended; the fit of one that ended is over too.

    A listener that fails is told no more. Helpers are heard to their end all the same: one whose line is full would
    stand still, and hold what it has claimed.
    """
    going: dict[Connection, tuple[AbstractContextManager[Advance], Advance]] = {}
    while lines:
        ready = wait(lines)
        for line in [line for line in lines if line in ready]:
            try:
                message = line.recv()
            except (EOFError, OSError):  # within a message, if the helper was killed
                lines.remove(line)
                message = ("end",)
            if not failures:
                try:
                    _tell(message, line, going, listener)
                except Exception as error:
                    failures.append(error)


def _tell(
    message: tuple[Any, ...],
    line: Connection,
    going: dict[Connection, tuple[AbstractContextManager[Advance], Advance]],
    listener: Listener,
) -> None:
    what, *rest = message
    if what == "say":
        listener.say(*rest)
    elif what == "begin":
        fit = listener.fit(*rest)
        going[line] = fit, fit.__enter__()
    elif what == "step":
        going[line][1](*rest)
    elif line in going:
        going.pop(line)[0].__exit__(None, None, None)
