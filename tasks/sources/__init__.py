"""Where a task's rows come from: one module a source, its file name is the key in the task file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.tasks.reading.known_dialect import KnownDialect

    Table: TypeAlias = pd.DataFrame | Dataset


UNTOLD = Availability("unknown", "its source does not tell before it is read")


@dataclass(frozen=True)
class Source:
    """A way to get raw rows."""

    settings: type[Settings]  # what stands under the source's key in a task file
    # settings and the task file's folder → one table of raw columns for each split that the source has; the single
    # split of a source that is not split yet is called ``data``
    read: Callable[[Any, Path], Mapping[str, Table]]
    origin: Callable[[Any], str]  # settings → where the rows come from, for people
    # settings and folder → a digest of the bytes behind the rows, or None where that cannot be told without reading
    # them; rows of a known identity are cached
    identity: Callable[[Any, Path], str | None]
    # settings → the data set on the Hugging Face hub that the rows come from; None where it is none
    hub_id: Callable[[Any], str | None] = lambda settings: None
    # settings and folder → whether the rows are on this machine, without a network and without reading
    available: Callable[[Any, Path], Availability] = lambda settings, folder: UNTOLD
    # settings and folder → how the files of a person are written that the rows come from; None where they come from
    # none
    known_dialect: Callable[[Any, Path], KnownDialect | None] = lambda settings, folder: None


SOURCES: Modules[Source] = Modules("source", "adapter_workbench.tasks.sources", "SOURCE", Source)
