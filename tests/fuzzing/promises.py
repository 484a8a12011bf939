"""What holds whatever a command or a function is given; an AssertionError tells what did not hold."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from adapter_workbench.workbench.errors import InputError, WorkbenchError

CANARY = "canary"
MODULES = ("evil", "pip", "mlflow_plugin", "megatron")  # beside the files; each leaves the canary behind when imported
CODES = {0, 1, 2, 3}
MOST_LINES = 10
LONGEST_LINE = 5000  # characters
SECRET = "kept-for-myself-31d7"  # in variables of the environment that hold tokens and passwords
INTERNAL = ("function-before[", "constrained-", "errors.pydantic.dev", " object at 0x")


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


def command(*arguments: str) -> Outcome:
    """Run ``workbench …`` in this process; an exception that is no exit of the command line's is not caught."""
    from adapter_workbench.experiments.cli import main

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["workbench", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO("")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file and folder below ``folder``, but for caches of Python's, locks and claims."""
    entries = {}
    for path in folder.rglob("*"):
        if "__pycache__" not in path.parts and ".lock" not in path.name and "claims" not in path.parts:
            status, is_file = path.lstat(), path.is_file() and not path.is_symlink()
            entries[str(path)] = (status.st_size, status.st_mtime_ns) if is_file else (0, 0)
    return entries


def require_promises(folder: Path, *arguments: str) -> Outcome:
    """Run a command in ``folder`` and make sure that it keeps what every command promises.

    An exit code that is documented, at most ten lines where it is not 0, no traceback, no control characters on the
    screen, no foreign code run, and nothing changed where the input was wrong.
    """
    before = content(folder)
    outcome = command(*arguments)
    shown = f"{arguments!r} → {outcome.code}\n{outcome.err[-2000:]}"
    assert outcome.code in CODES, shown
    assert "Traceback" not in outcome.err, shown
    assert SECRET not in f"{outcome.out}{outcome.err}", shown
    if outcome.code:
        assert outcome.err.strip(), f"nothing was said: {shown}"
        require_short(outcome.err)
    require_no_control(outcome.err)
    if outcome.code == 2:
        assert content(folder) == before, f"something was changed: {changes(before, content(folder))}, {shown}"
    return outcome


def tried(call: Callable[[], Any], *places: object) -> Any:
    """Return what ``call`` returns, or the error with which it refuses its input, which has to name one of ``places``.

    Any other exception is left to go on.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except WorkbenchError as error:
            message = str(error)
            assert message.strip(), "nothing was said"
            require_short(message)
            require_no_control(message)
            assert any(str(path) in message for path in places), f"it does not say where: {message}"
            assert isinstance(error, InputError) or error.exit_code in CODES, message
            return error


def require_short(message: str) -> None:
    """Make sure that a message is no page, and speaks of what a person wrote."""
    assert not any(word in message for word in INTERNAL), message[:3000]
    lines = message.strip().splitlines()
    assert len(lines) <= MOST_LINES, message[:3000]
    assert max(map(len, lines)) < LONGEST_LINE, message[:3000]


def require_no_control(message: str) -> None:
    """Make sure that a message cannot act on a terminal."""
    assert not any(character < " " and character not in "\n\r\t" for character in message), repr(message[:3000])


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the paths that are new, gone or changed."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def write_canaries(folder: Path) -> None:
    """Write modules that leave a file behind when they are imported."""
    for name in MODULES:
        code = f"from pathlib import Path\nPath({str(folder / CANARY)!r}).touch()\ndef run(**_): return []\n"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules of ``folder`` be found, as where a person works in it; the process stands there."""
    before = Path.cwd()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
