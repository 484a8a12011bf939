"""Rows that a function of yours makes: ``module:function``, called with the arguments of the task file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tasks.sources import Source
from workbench.errors import DataError, InputError
from workbench.settings import Settings

if TYPE_CHECKING:
    from tasks.sources import Table


class PythonSettings(Settings):
    """Which function to call."""

    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:function; a module beside the task file is found before an installed one",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")


def read(settings: PythonSettings, folder: Path) -> dict[str, Table]:
    """Return what the function returns: split name → rows (mappings), a DataFrame or a Dataset.

    Raises:
        InputError: no such module or function.
        DataError: it returned something else.
    """
    result = _function(settings.function, folder)(**settings.arguments)
    splits = result if isinstance(result, Mapping) else {"data": result}
    return {str(split): _table(rows, settings.function) for split, rows in splits.items()}


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
    try:
        module = _module(module_name, folder)
    except ImportError as error:
        raise InputError(f"cannot import {module_name!r}: {error}", where=name) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"module {module_name!r} has no function {function_name!r}", where=name)
    return function  # type: ignore[no-any-return]  # what a user's module holds has no type here


def _module(name: str, folder: Path) -> ModuleType:
    beside = folder / f"{name}.py"
    if not beside.is_file():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, beside)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {beside}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def origin(settings: PythonSettings) -> str:
    """Return the function's name."""
    return settings.function


def identity(settings: PythonSettings, folder: Path) -> None:
    """Return None: what a function will return cannot be told before it is called."""


SOURCE = Source(PythonSettings, read, origin, identity)
