"""Why a piece failed in another process, in a form that can be sent."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass

from adapter_workbench.workbench.errors import InputError, WorkbenchError, WorkError, reason, says_full
from adapter_workbench.workbench.errors.printable import printable

KEPT = "What was finished is kept; the same command goes on."


@dataclass(frozen=True)
class Failure:
    """Why a piece failed."""

    error: Exception  # the exception, if it can be pickled and read back unchanged; else one of ours that says the same
    trace: str  # the traceback, for whoever debugs the program
    full: bool = False  # whether the disk of the machine was full

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return an exception as a failure."""
        return cls(_portable(error), "".join(traceback.format_exception(error)), says_full(error))

    def of_piece(self, label: str) -> Exception:
        """Return the error to end a run with; one of ours says which piece it was."""
        error = self.error
        if isinstance(error, WorkbenchError):
            kind = type(error)
            return kind(f"{label}: {error.what}", where=error.where, hint=error.hint)
        error.add_note(f"In the piece {label!r}, in a process of its own:\n{self.trace}")
        return error


def _portable(error: Exception) -> Exception:
    """Return an exception that survives pickling; some of our own would lose a part of themselves."""
    if isinstance(error, WorkbenchError):
        kind = InputError if isinstance(error, InputError) else WorkError
        plain = type(error) if type(error).__init__ is WorkbenchError.__init__ else kind
        return plain(error.what, where=error.where, hint=error.hint)
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return WorkError(reason(error))
    return error if type(copy) is type(error) and str(copy) == str(error) else WorkError(reason(error))


def last_line(error: BaseException) -> str:
    """Return the line that names the error, for an exception whose message is a traceback of another process."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    return printable(lines[-1]) if lines else reason(error)
