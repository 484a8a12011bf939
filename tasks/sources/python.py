"""Rows that a function of yours makes, called with the arguments of the task file: **such a task file is code**.

The function is ``module:function`` of a module that lies beside the task file, or the name of an entry point that an
installed package offers in the group ``adapter_workbench.rows``. Nothing else is imported: a task file that somebody
sends cannot name a function of the standard library or of whatever is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import Field

from adapter_workbench.tasks.sources import Source
from adapter_workbench.workbench.errors import DataError, InputError, reason, suggest
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from adapter_workbench.tasks.sources import Table

GROUP = "adapter_workbench.rows"


class PythonSettings(Settings):
    """Which function to call."""

    function: str = Field(
        pattern=r"^([A-Za-z_]\w*:[A-Za-z_]\w*|[A-Za-z0-9]+(-[A-Za-z0-9]+)*)$",
        description="module:function of a module beside the task file, or an entry point of adapter_workbench.rows",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")


def read(settings: PythonSettings, folder: Path) -> dict[str, Table]:
    """Return what the function returns: split name → rows (mappings), a DataFrame or a Dataset.

    Raises:
        InputError: no such module, function or entry point, or it raised something itself.
        DataError: it returned something else.
    """
    function = _function(settings.function, folder)
    try:
        result = function(**settings.arguments)
        splits = result if isinstance(result, Mapping) else {"data": result}
        return {str(split): _table(rows, settings.function) for split, rows in splits.items()}
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"it raised an error: {reason(error)}", where=_location(error, settings.function)) from error


def _table(rows: Any, name: str) -> Table:
    import pandas as pd
    from datasets import Dataset

    if isinstance(rows, pd.DataFrame | Dataset):
        return rows
    listed = list(rows) if isinstance(rows, Iterable) else [None]
    if all(isinstance(row, Mapping) for row in listed):
        return pd.DataFrame(listed)
    raise DataError(
        f"{name} returned {type(rows).__name__}",
        hint="Return {split: rows} with train, validation, test (or data), where rows is a list of dicts, a pandas "
        "DataFrame or a datasets.Dataset.",
    )


def _function(name: str, folder: Path) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    if not function_name:
        return _entry_point(name)
    module = _module(module_name, folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"module {module_name!r} has no function {function_name!r}", where=name)
    return function  # type: ignore[no-any-return]  # what a user's module holds has no type here


def _entry_point(name: str) -> Callable[..., Any]:
    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in entries:
        hint = f"Name a function of a module beside the task file (module:function). {suggest(name, entries)}"
        raise InputError(f"no installed package has the entry point {name!r} in the group {GROUP}", hint=hint)
    try:
        return entries[name].load()  # type: ignore[no-any-return]
    except Exception as error:
        raise InputError(f"{entries[name].value} cannot be imported: {reason(error)}", where=name) from error


def _module(name: str, folder: Path) -> ModuleType:
    beside = folder / f"{name}.py"
    if not beside.is_file():
        raise InputError(
            f"no file {beside.name} lies beside the task file",
            where=str(folder),
            hint=f"A module has to be there; an installed package needs an entry point in the group {GROUP}.",
        )
    try:
        spec = importlib.util.spec_from_file_location(name, beside)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {beside}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"cannot import {name!r}: {reason(error)}", where=_location(error, str(beside))) from error
    return module


def _location(error: BaseException, otherwise: str) -> str:
    """Return the file and line of the innermost frame outside this module, where there is one."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    file = frame.tb_frame.f_code.co_filename if frame else __file__
    return otherwise if frame is None or file == __file__ else f"{file}, line {frame.tb_lineno}"


def origin(settings: PythonSettings) -> str:
    """Return the function's name."""
    return settings.function


def identity(settings: PythonSettings, folder: Path) -> None:
    """Return None: what a function returns is known only after calling it."""


def available(settings: PythonSettings, folder: Path) -> Availability:
    """Say whether the function's module lies there, or an installed package offers it; nothing is imported."""
    module, _, function = settings.function.partition(":")
    if function:
        beside = folder / f"{module}.py"
        if beside.is_file():
            return Availability("here", str(beside))
        return Availability("missing", f"no file {beside.name} lies beside the task file")
    package = next((entry.value for entry in entry_points(group=GROUP) if entry.name == module), None)
    if package:
        return Availability("here", f"{package}, of an installed package")
    return Availability("missing", f"no installed package offers {module!r} in the group {GROUP}")


SOURCE = Source(PythonSettings, read, origin, identity, available=available)
