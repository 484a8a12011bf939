"""Options that stand before the command that takes them: what was meant, in its right order."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer import BadParameter

from workbench.errors import InputError

UsageError: Any = BadParameter.__base__  # typer brings a click of its own, and names only this child of it


@contextmanager
def placed(given: Sequence[str]) -> Iterator[None]:
    """Tell where an option goes that stands before the command that takes it; ``given`` is all that was written.

    Raises:
        InputError: such an option stands there; the hint is the command as it was meant.
    """
    try:
        yield
    except UsageError as error:
        option = error.option_name if hasattr(error, "possibilities") else ""  # that is: there is no such option
        words = _in_order(given, option, error.ctx) if option else []
        if not words:
            raise
        hint = f"Write it after the command: workbench {shlex.join(words)}"
        raise InputError(f"{option} stands before the command that takes it", hint=hint) from None


def _in_order(given: Sequence[str], option: str, context: Any) -> list[str]:
    """Return what was given with an option, and what it is set to, at the end; nothing if no command takes it."""
    own = [place for place, word in enumerate(given) if word.partition("=")[0] == option]
    if not own or not hasattr(context.command, "list_commands"):
        return []
    before, behind, command = own[0], len(given), context.command
    for place, word in enumerate(given[before + 1 :], start=before + 1):
        if hasattr(command, "list_commands") and word in command.list_commands(context):
            command, behind = command.get_command(context, word), min(place, behind)
    taken = [name for parameter in command.params for name in parameter.opts]
    return [*given[:before], *given[behind:], *given[before:behind]] if option in taken else []
