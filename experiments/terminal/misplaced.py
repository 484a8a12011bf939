"""Hints for options before their command, files without ``--file``, and options that were given to ``--set``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from typer import BadParameter

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError
from adapter_workbench.workbench.errors.printable import without_credentials

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
        error.message = without_credentials(error.message)  # it shows words of the command line
        if file := _without_option(error):
            hint = f"Write it with its option: --file {shlex.quote(file)}"
            raise InputError("a file stands where the command takes none", where=file, hint=hint) from None
        option = error.option_name if hasattr(error, "possibilities") else ""  # that is: there is no such option
        words = _in_order(given, option, error.ctx) if option else []
        if not words:
            raise
        hint = f"Write it after the command: workbench {shlex.join(words)}"
        raise InputError(f"{option} stands before the command that takes it", hint=hint) from None


@contextmanager
def hints_on_settings(context: Any) -> Iterator[None]:
    """Name an option of the command that a group runs, where ``--set`` gives what is no setting, but has an option.

    Args:
        context: of the group.

    Raises:
        SettingsError: the same problems; the hint on ``--set seed=1`` is ``--seed 1``.
    """
    try:
        yield
    except SettingsError as error:
        name = context.invoked_subcommand
        command = context.command.get_command(context, name) if name else context.command
        raise SettingsError(_with_option(problem, command) for problem in error.problems) from None


def _with_option(problem: Problem, command: Any) -> Problem:
    """Return a problem, its hint the command's option if an unknown key is called like one."""
    assignment = (problem.where or "").removeprefix("--set ")
    if assignment == problem.where or not problem.what.startswith("unknown key"):
        return problem
    name, _, value = assignment.partition("=")
    option = f"--{name.rpartition('.')[2].replace('_', '-')}"
    parameter = next((parameter for parameter in command.params if option in parameter.opts), None)
    if parameter is None:
        return problem
    written = option if parameter.is_flag else f"{option} {shlex.quote(value)}"
    return replace(problem, hint=f"This is an option of its own: {written}")


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
