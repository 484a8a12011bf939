"""The command line: one file a command, imported only when that command is called."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command as as_command
from typer.main import get_install_completion_arguments

from workbench.errors import UnknownNameError, WorkbenchError
from workbench.interpreter import safe_path
from workbench.processes import is_first
from workbench.registry import Modules

COMMANDS: Modules[Typer] = Modules("command", "experiments.cli", "app")
INTERRUPTED = 130
COMPLETING = "_WORKBENCH_COMPLETE"  # set by the shell's completion script
INTRODUCTION = """Teach one pretrained transformer task after task, and see what it forgets.

Begin with: workbench run quickstart
"""


class Bench(TyperGroup):
    """A group whose commands are the modules of this package."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in alphabetical order."""
        return COMMANDS.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command.

        Raises:
            UnknownNameError: no such command.
        """
        if cmd_name not in COMMANDS.names():
            raise UnknownNameError("command", cmd_name, COMMANDS.names())
        command = as_command(COMMANDS.get(cmd_name))
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the first docstring line of each command; none is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS.describe(name)) for name in self.list_commands(ctx)])


def application() -> Bench:
    """Return the whole command line; what runs it, documents it and checks commands against it starts here."""
    return Bench(
        name="workbench",
        help=INTRODUCTION,
        rich_markup_mode=None,
        no_args_is_help=True,
        params=[*get_install_completion_arguments()],
    )


def main() -> None:
    """Run the command line; an error of ours becomes one message and its exit code."""
    if not is_first():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        with safe_path():
            application().main(prog_name="workbench")
    except WorkbenchError as error:
        if COMPLETING in os.environ:  # a person is still typing
            sys.exit(0)
        _leave(f"Error: {error}", error.exit_code)
    except Exception as error:
        if os.strerror(errno.ENOSPC) not in str(error):  # safetensors raises an error of its own
            raise
        _leave("Error: no space left on the disk.\n  Make room and run it again; what was finished is kept.", 1)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            _leave("Stopped. What was finished is kept; the same command goes on from there.", INTERRUPTED)
        raise


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
