"""Routers, one file each: which of several stored adapters answers a text whose task nobody names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

ANY = ("peft", "adapters", "plain")


class RouterSettings(Settings):
    """Base of every router's hyper-parameters."""


class ProbabilitySettings(RouterSettings):
    """Base for a router whose scores are log p(adapter | text)."""

    asked: int = Field(
        1, ge=1, le=1000, description="how many adapters answer a text; the most probable pair of task and label counts"
    )
    calibrated: bool = Field(
        False, description="whether the logits of those that are asked are divided by a temperature first"
    )

    @property
    def tempered(self) -> bool:
        """Whether temperatures play a part: where one adapter is asked, there is nothing to compare."""
        return self.calibrated and self.asked > 1

    @model_serializer(mode="wrap")
    def _without_idle(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what plays no part, so that what is stored without it stays known."""
        idle = () if self.tempered else ("calibrated",)
        return {name: value for name, value in written(self).items() if name not in idle}


Part: TypeAlias = "Mapping[str, Tensor]"  # what a router knows of one adapter


def starts(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return the index at which each adapter's columns begin, for the number that each has: (adapters,).

    Where the columns of all adapters' classes stand side by side, ``numpy.ufunc.reduceat`` sums them up for each.
    """
    import numpy as np

    return np.cumsum([0, *sizes[:-1]])


@dataclass(frozen=True)
class Query:
    """Texts to be routed."""

    rows: Dataset  # their columns ``id``, ``text``, ``text_pair`` (pairs only); a column ``label`` is not read
    reader: Reader  # the frozen backbone
    # for each text the index of the right adapter (texts,); None outside an evaluation
    truth: NDArray[np.int64] | None = None


def unchanged(parts: Sequence[Part], settings: RouterSettings) -> Sequence[Part]:
    """Return ``parts``: there is nothing to compute before the first question."""
    return parts


@dataclass(frozen=True)
class Router:
    """A router: a card that names its paper and settings, and how it learns of adapters and scores them.

    What it knows of one adapter depends on that adapter, its task and the reader alone: an adapter that comes later
    changes nothing about those that are there, unless the reader has to read more tokens or in float32 for it.
    """

    title: str  # the name in the literature
    paper: str  # where it was introduced
    settings: type[RouterSettings]  # the typed hyper-parameters
    # what there is to know of one adapter. The task is the adapter's own, drawn to the examples it was trained on;
    # None where the router ``reads_data`` not
    fit: Callable[[StoredAdapter, Task | None, Reader, Any], Part]
    # (texts, adapters), higher is better; its first argument is what ``prepare`` returned
    score: Callable[[Any, Query, Any], NDArray[np.floating[Any]]]
    # what follows from the parts of all adapters, in order, and is computed once for any number of questions; by
    # default the parts themselves
    prepare: Callable[[Sequence[Part], Any], Any] = unchanged
    meaning: str = "higher is nearer"  # what a score is, and between which numbers it lies
    reads_data: bool = True  # whether ``fit`` reads the training split of the adapter's task
    reads_features: bool = True  # whether it reads features of texts, which the process keeps for who reads them again
    libraries: tuple[str, ...] = ANY  # whose adapters it can route among


ROUTERS: Modules[Router] = Modules("router", __name__, "ROUTER", Router, group="routing")
