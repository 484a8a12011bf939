"""The command line: one file a command, imported only when that command is called."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import warnings
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

from typer import Exit, Option, Typer
from typer.core import TyperGroup
from typer.main import get_command as as_command
from typer.main import get_install_completion_arguments

from adapter_workbench.experiments.terminal.misplaced import hints_on_order, hints_on_settings
from adapter_workbench.workbench.errors import Problem, WorkbenchError, says_full
from adapter_workbench.workbench.files.size_limit import says_too_large, too_large
from adapter_workbench.workbench.machine.interpreter import safe_path
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION
from adapter_workbench.workbench.machine.processes import STOPPED, is_first, stoppable
from adapter_workbench.workbench.settings.plugins import PluginWarning
from adapter_workbench.workbench.settings.registry import Modules

COMMANDS: Modules[Typer] = Modules(
    "command", "adapter_workbench.experiments.cli", "app", Typer, command="workbench --help"
)
INTERRUPTED = 130
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
CONTINUED = (
    "add",
    "adapters import",
    "compare",
    "examine",
    "fuse",
    "repair",
    "run",
    "train",
    "update",
)  # by the same command, after it was stopped
PLAIN = warnings.formatwarning
COMPLETING = "_WORKBENCH_COMPLETE"  # set by the shell's completion script
INTRODUCTION = """Teach one pretrained transformer task after task, and see what it forgets.

\b
Begin with a stream of six tasks, which takes 5 to 7 minutes:
  workbench run quickstart

\b
With texts of your own:
  workbench tasks new tickets --from tickets.csv
  workbench train tickets --method lora
  workbench predict tickets "some text"

Every command explains itself: workbench train --help
"""


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"workbench {version(DISTRIBUTION)}\n")
        raise Exit


def _version_option() -> Any:
    """Return the option ``--version``, made by typer as it makes those of any command."""
    app = Typer(add_completion=False)

    @app.command()
    def options(
        version: Annotated[
            bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
        ] = False,
    ) -> None: ...

    return next(option for option in as_command(app).params if option.name == "version")


class CommandGroup(TyperGroup):
    """A group whose commands are the modules of this package.

    Attributes:
        written: all that was written after the program's name.
    """

    written: tuple[str, ...] = ()

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read what was written; raises InputError where an option of a command stands before it."""
        self.written = tuple(args)
        with hints_on_order(self.written):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises as :meth:`make_context`."""
        with hints_on_order(self.written), hints_on_settings(ctx):
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in alphabetical order."""
        return COMMANDS.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command.

        Raises:
            UnknownNameError: no such command.
        """
        return _command(COMMANDS.require(cmd_name))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the first docstring line of each command; none is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS.describe(name)) for name in self.list_commands(ctx)])


@cache
def _command(name: str) -> Any:
    app = COMMANDS.get(name)
    app.rich_markup_mode = None  # with it, help loses what stands in brackets, and breaks lines where the code does
    command = as_command(app)
    command.name, command.help = name, command.help or f"{COMMANDS.describe(name)}"
    for subcommand in getattr(command, "commands", {}).values():  # click would cut their first sentences
        subcommand.short_help = " ".join((subcommand.help or "").partition("\n\n")[0].split())
    return command


def application() -> CommandGroup:
    """Return the whole command line; what runs it, documents it and checks commands against it starts here."""
    return CommandGroup(
        name="workbench",
        help=INTRODUCTION,
        rich_markup_mode=None,
        no_args_is_help=True,
        params=[_version_option(), *get_install_completion_arguments()],
    )


def main() -> None:
    """Run the command line; an error of ours becomes one message and its exit code."""
    atexit.register(gc.freeze)  # what is left is not searched for garbage at the end, which takes a second
    _replace_closed_streams()
    if not is_first():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _warn_in_one_line()
    _quieten_libraries()
    try:
        with stoppable(), safe_path():
            application().main(prog_name="workbench")
    except WorkbenchError as error:
        if COMPLETING in os.environ:  # a person is still typing
            sys.exit(0)
        _leave(f"Error: {error}", error.exit_code)
    except Exception as error:
        _leave_disk(error)
        raise
    except SystemExit as leaving:
        if leaving.code in {INTERRUPTED, *STOPPED}:
            kept = " What was finished is kept; the same command goes on from there." if _goes_on() else ""
            _leave(f"Stopped.{kept}", int(leaving.code))
        raise


def _replace_closed_streams() -> None:
    """Open the null device in place of each standard stream that is closed, as with ``<&-``: for Python it is None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 (as long as the process)


def _warn_in_one_line() -> None:
    """Print a warning about an installed package in one line; none while a shell completes a name."""
    warnings.formatwarning = _formatted
    warnings.simplefilter("ignore" if COMPLETING in os.environ else "default", PluginWarning)


def _quieten_libraries() -> None:
    """Keep off the screen what libraries tell programmers: what will change, and what transformers logs below an error.

    Whoever asks for it (``python -W``, ``$PYTHONWARNINGS``, ``$TRANSFORMERS_VERBOSITY``) is told.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # processes that this one starts have it too
    if not sys.warnoptions:
        warnings.simplefilter("ignore", FutureWarning)


def _formatted(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    if issubclass(category, PluginWarning):
        return f"{message}\n"
    return PLAIN(message, category, filename, lineno, line)


def _goes_on() -> bool:
    """Return whether the command stores its work piece by piece, and uses it when it is called again."""
    return bool({*CONTINUED} & {" ".join(sys.argv[1:count]) for count in (2, 3)})


def _leave_disk(error: Exception) -> None:
    """Leave with one message if the error is one of the file system; else return."""
    if isinstance(error, FileNotFoundError) and not _is_somewhere():
        _leave("Error: the folder that you are in has been deleted.\n  Go to another one with cd.", 2)
    if says_full(error):
        _leave("Error: no space left on the disk.\n  Make room and run it again; what was finished is kept.", 1)
    if says_too_large(error):
        path = getattr(error, "filename2", None) or getattr(error, "filename", None)
        _leave(f"Error: {too_large(os.fsdecode(path) if isinstance(path, str | bytes) else None)}", 2)
    if isinstance(error, OSError) and error.errno in REFUSED:
        path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
        _leave(f"Error: {Problem(f'the file system refuses it: {error.strerror}', path)}", 2)


def _is_somewhere() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 (no path is wanted)
    except FileNotFoundError:
        return False


def _leave(message: str, code: int) -> NoReturn:
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"{message}\n")
    sys.exit(code)
