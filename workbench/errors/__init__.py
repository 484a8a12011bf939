"""Every error that a person may meet, in one tree; :mod:`.printable` makes any text fit to be printed.

::

    WorkbenchError
    ├── InputError               what was given is wrong: exit code 2, nothing changed
    │   ├── UnknownNameError     a name that no registry holds, with the nearest ones
    │   ├── SettingsError        all that is wrong with one file, each with its line
    │   ├── DataError            a task's data do not fit what its file says
    │   ├── UnwritableError      a file or folder cannot be written where it should go
    │   ├── PluginError          an entry that an installed package adds cannot be used
    │   └── UnsafeConfigError    a model's config asks for code that does not belong to transformers
    ├── WorkError                the work failed: exit code 1, what was finished is kept
    │   ├── AssetError           bytes could not be fetched, or are not the bytes that were promised
    │   ├── IntegrityError       stored files differ from their manifest
    │   ├── TrainingError        a fit went wrong (a loss that is not a number)
    │   │   └── AnswerError      what the trained model answers is not a number
    │   ├── BusyError            more is waiting to be computed than may wait
    │   ├── StoppedError         what would compute it has been told to stop
    │   └── TrackingError        the tracking server does not answer
    └── GateError                a bound is broken: exit code 3, nothing changed
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from adapter_workbench.workbench.errors.printable import printable, without_credentials

FULL = (errno.ENOSPC, errno.EDQUOT)
MOST_LINES = 9  # of the problems that one message lists
FEW_NAMES = 12  # that a hint lists all, although a command lists them too
MOST_NAMES = 40  # available names that a hint lists, where no command does
MOST_COMPARED = 1000  # names that are looked at for a similar one


class WorkbenchError(Exception):
    """Root of the tree; carries what happened, where, and what to do.

    The parts are joined into one message: ``where: what`` and, on a line of its own, the hint.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Keep the three parts apart so that callers may add a place they know better."""
        self.what, self.where, self.hint = what, where, hint
        super().__init__(str(Problem(what, where, hint)))


@dataclass(frozen=True)
class Problem:
    """One mistake: what is wrong, where, and what would work."""

    what: str
    where: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """Return ``where: what`` and the hint on the next line; long values are shortened, passwords left out."""
        what, where, hint = (without_credentials(part or "") for part in (self.what, self.where, self.hint))
        text = "\n".join(printable(line) for line in what.splitlines()[:MOST_LINES])
        message = f"{printable(where)}: {text}" if where else text
        return "\n  ".join([message, *(printable(line, 2000) for line in hint.splitlines()[:MOST_NAMES])])


class InputError(WorkbenchError):
    """What was given is wrong; nothing has been changed."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that is not registered; the hint names the nearest ones."""

    def __init__(
        self,
        noun: str,
        name: object,
        known: Iterable[str],
        where: str | None = None,
        also: str = "",
        command: str = "",
    ) -> None:
        """Name what is unknown and suggest similar names; a number or a list is not a name.

        Args:
            noun: what is called so.
            name: what was given.
            known: the names that there are.
            where: the file and line, or the option.
            also: what else would be taken.
            command: lists the names, where one does.
        """
        called = printable(name, 120) if isinstance(name, str) else ""
        message = (
            f"there is no {noun} called {called!r}"
            if isinstance(name, str)
            else f"the name of a {noun} has to be text, not {_thing(name)}"
        )
        super().__init__(message, where=where, hint=f"{suggest(called, known, command)} {also}".rstrip())


class SettingsError(InputError):
    """All problems of one file (or command line) in one message."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep ``problems`` as they are for callers who want them one by one; a message lists the first of many."""
        self.problems = tuple(problems)
        self.what, self.where, self.hint = _list(self.problems), None, None
        Exception.__init__(self, self.what)


class DataError(InputError):
    """A task's data do not fit what its file says."""


class UnwritableError(InputError):
    """A file or folder cannot be written where it should go: no permission, a read-only disk, a file in the way."""


class PluginError(InputError):
    """An entry that an installed package adds cannot be used: it cannot be imported, or is not what was asked for."""


class UnsafeConfigError(InputError):
    """A model's config asks for code that does not belong to transformers."""


class WorkError(WorkbenchError):
    """The work failed; what was finished before is kept."""


class AssetError(WorkError):
    """Bytes could not be fetched, or are not the bytes that were promised."""


class IntegrityError(WorkError):
    """Stored files differ from what their manifest says."""


class TrainingError(WorkError):
    """A fit went wrong."""


class AnswerError(TrainingError):
    """What a trained model answers is not a number: its weights have become too large, or were changed."""


class BusyError(WorkError):
    """More is waiting to be computed than may wait; the same works later."""


class StoppedError(WorkError):
    """The process that would compute it is stopping."""


class TrackingError(WorkError):
    """The tracking server does not answer."""


class GateError(WorkbenchError):
    """A bound that was asked for is broken; nothing has been changed."""

    exit_code = 3


@contextmanager
def opening(thing: str, where: str, hint: str | None = None) -> Iterator[None]:
    """Turn whatever a library raises while it opens a foreign file or folder into one message, with its reason.

    Args:
        thing: what is opened, as a message calls it: ``the tokenizer``.
        where: the file or folder.
        hint: what to do about it.

    Raises:
        InputError: as :func:`blaming`.
    """
    with blaming(f"{thing} cannot be opened", where, hint):
        yield


@contextmanager
def blaming(what: str, where: str | None, hint: str | None = None) -> Iterator[None]:
    """Turn whatever a library raises inside the block into one message about a foreign file: ``what``, and its reason.

    Only what the file determines belongs inside the block: a fault of ours in it would be reported as the file's.

    Raises:
        InputError: anything but an error of ours was raised inside the block; those pass as they are.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of libraries in Rust
            raise
        raise InputError(f"{what}: {reason(error)}", where=where, hint=hint) from error


def reason(error: BaseException) -> str:
    """Return what an exception says, on one line; its type where that says little (``KeyError: 'weight'``).

    Names and passwords in addresses are left out.
    """
    message = printable(without_credentials(str(error))).strip()
    telling = message and not isinstance(error, LookupError | AttributeError | TypeError | AssertionError)
    return message if telling else f"{type(error).__name__}: {message}".rstrip(": ")


def says_full(error: BaseException) -> bool:
    """Return whether an error means a full disk or an exceeded quota; safetensors raises its own error for it."""
    return any(os.strerror(number) in str(error) for number in FULL)


def _list(problems: tuple[Problem, ...]) -> str:
    lines: list[str] = []
    for index, problem in enumerate(problems):
        problem_lines = str(problem).splitlines()
        if index and len(lines) + len(problem_lines) > MOST_LINES:
            return "\n".join([*lines, f"… and {len(problems) - index} more"])
        lines += problem_lines
    return "\n".join(lines)


@contextmanager
def collect_problems(problems: list[Problem], where: str | None = None) -> Iterator[None]:
    """Add what is wrong inside the block to ``problems`` and go on after it; ``where`` is for errors without one."""
    try:
        yield
    except SettingsError as error:
        problems += error.problems
    except InputError as error:
        problems.append(Problem(error.what, error.where or where, error.hint))


def suggest(name: str, known: Iterable[str], command: str = "") -> str:
    """Return ``Did you mean …? Available: …`` for a ``name`` that is not among ``known``.

    Of many names that a ``command`` lists, only those that are like it are named, and how many there are.
    """
    names = sorted(known)
    compared = sorted(names, key=lambda other: other[:2] != name[:2])[:MOST_COMPARED]  # that begin alike go first
    near = difflib.get_close_matches(name[:200], compared, n=3, cutoff=0.55) or _ending_like(name[:200], compared)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    if command and len(names) > FEW_NAMES:
        return f"{guess}There are {len(names):,} names; `{command}` lists them."
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{guess}Available: {', '.join(names[:MOST_NAMES]) or 'none'}{more}."


def _ending_like(name: str, known: Sequence[str]) -> list[str]:
    """Return names whose ending after the last hyphen is like ``name``: adapters are also called by their keys."""
    by_ending = {other.rpartition("-")[2]: other for other in known}
    return [by_ending[ending] for ending in difflib.get_close_matches(name, by_ending, n=3, cutoff=0.7)]


def no_such_file(path: Path, what: str = "no such file") -> InputError:
    """Return the error for a path at which nothing is; the hint names what is called alike in the same folder."""
    names: list[str] = []
    with suppress(OSError, ValueError):
        names = [entry.name for entry in islice(path.parent.iterdir(), MOST_COMPARED)]
    near = difflib.get_close_matches(path.name[:200], sorted(names), n=3, cutoff=0.7)
    hint = f"Did you mean {' or '.join(str(path.with_name(name)) for name in near)}?" if near else None
    return InputError(what, where=str(path), hint=hint)


def _thing(value: object) -> str:
    """Return the YAML word for a value that is not a name."""
    if value is None or value == "":
        return "nothing"
    kinds = {bool: "a truth value", list: "a list", tuple: "a list", dict: "a mapping"}
    return kinds.get(type(value), printable(repr(value), 120))
