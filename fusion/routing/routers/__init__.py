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


@dataclass(frozen=True)
class Query:
    """Texts to be routed.

    Attributes:
        rows: their columns ``id``, ``text``, ``text_pair`` (pairs only); a column ``label`` is not read.
        reader: the frozen backbone.
        truth: for each text the index of the right adapter (texts,); None outside an evaluation.
    """

    rows: Dataset
    reader: Reader
    truth: NDArray[np.int64] | None = None


def unchanged(parts: Sequence[Part], settings: RouterSettings) -> Sequence[Part]:
    """Return ``parts``: there is nothing to compute before the first question."""
    return parts


@dataclass(frozen=True)
class Router:
    """A router: a card that names its paper and settings, and how it learns of adapters and scores them.

    What it knows of one adapter depends on that adapter, its task and the reader alone: an adapter that comes later
    changes nothing about those that are there, unless the reader has to read more tokens or in float32 for it.

    Attributes:
        title: the name in the literature.
        paper: where it was introduced.
        settings: the typed hyper-parameters.
        fit: what there is to know of one adapter. The task is the adapter's own, drawn to the examples it was trained
            on; None where the router ``reads_data`` not.
        score: (texts, adapters), higher is better; its first argument is what ``prepare`` returned.
        prepare: what follows from the parts of all adapters, in order, and is computed once for any number of
            questions; by default the parts themselves.
        meaning: what a score is, and between which numbers it lies.
        reads_data: whether ``fit`` reads the training split of the adapter's task.
        reads_features: whether it reads features of texts, which the process keeps for who reads them again.
        libraries: whose adapters it can route among.
    """

    title: str
    paper: str
    settings: type[RouterSettings]
    fit: Callable[[StoredAdapter, Task | None, Reader, Any], Part]
    score: Callable[[Any, Query, Any], NDArray[np.floating[Any]]]
    prepare: Callable[[Sequence[Part], Any], Any] = unchanged
    meaning: str = "higher is nearer"
    reads_data: bool = True
    reads_features: bool = True
    libraries: tuple[str, ...] = ANY


ROUTERS: Modules[Router] = Modules(
    "router", __name__, "ROUTER", Router, group="routing", command="workbench routers list"
)
