"""oracle: the true task; the reference for all routers, usable only where the task is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.fusion.routing.routers import Router, RouterSettings
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: RouterSettings) -> Part:
    """Return nothing: there is nothing to know."""
    return {}


def score(parts: Sequence[Part], query: Query, settings: RouterSettings) -> NDArray[np.floating[Any]]:
    """Return 1 for the right adapter of each text and 0 for the others: (texts, adapters).

    Raises:
        InputError: the right adapters are not known.
    """
    if query.truth is None:
        raise InputError(
            "oracle is for evaluations: it needs the true task of each text",
            hint="prototype, mahalanobis, ranpac, learned, arrow and gates find the adapter themselves.",
        )
    return np.eye(len(parts))[query.truth]


ROUTER = Router(
    title="Oracle",
    paper="van de Ven & Tolias 2019, arXiv:1904.07734: the task-incremental scenario, in which the task is told",
    settings=RouterSettings,
    fit=fit,
    score=score,
    meaning="1 for the true task, else 0",
    reads_data=False,
    reads_features=False,
)
