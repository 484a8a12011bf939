"""Hints for options written before their command, and for files written without ``--file``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer import BadParameter

from workbench.errors import InputError

UsageError: Any = BadParameter.__base__  # typer brings a click of its own, and names only this child of it


@contextmanager
def hints_on_order(given: Sequence[str]) -> Iterator[None]:
    """Say where to write an option that stands before the command that takes it; ``given`` is the whole command line.

    Raises:
        InputError: such an option stands there, and the hint is the command as it was meant; or a file stands where
            the command takes none, but takes one with ``--file``.
    """
    try:
        yield
    except UsageError as error:
        if file := _without_option(error):
            hint = f"Write it with its option: --file {shlex.quote(file)}"
            raise InputError("a file stands where the command takes none", where=file, hint=hint) from None
        option = error.option_name if hasattr(error, "possibilities") else ""  # that is: there is no such option
        words = _in_order(given, option, error.ctx) if option else []
        if not words:
            raise
        hint = f"Write it after the command: workbench {shlex.join(words)}"
        raise InputError(f"{option} stands before the command that takes it", hint=hint) from None


def _without_option(error: Any) -> str:
    """Return the file that is one argument too many for a command that has ``--file``; nothing if there is none."""
    match = re.fullmatch(r"Got unexpected extra argument(?:\(s\))? \((.+)\)", error.message)
    takes_file = error.ctx is not None and any("--file" in parameter.opts for parameter in error.ctx.command.params)
    return match[1] if match and takes_file and Path(match[1]).is_file() else ""


def _in_order(given: Sequence[str], option: str, context: Any) -> list[str]:
    """Return what was given with an option, and what it is set to, at the end; nothing if no command takes it."""
    indices = [index for index, word in enumerate(given) if word.partition("=")[0] == option]
    if not indices or not hasattr(context.command, "list_commands"):
        return []
    start, end, command = indices[0], len(given), context.command
    for index, word in enumerate(given[start + 1 :], start=start + 1):
        if hasattr(command, "list_commands") and word in command.list_commands(context):
            command, end = command.get_command(context, word), min(index, end)
    known = [name for parameter in command.params for name in parameter.opts]
    return [*given[:start], *given[end:], *given[start:end]] if option in known else []
