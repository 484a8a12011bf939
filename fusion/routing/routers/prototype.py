"""prototype: the nearest class mean, by cosine, on the features of the frozen backbone.

This is SimpleCIL's rule, with one mean a class. What differs from iCaRL: it averages features of length 1, over the
exemplars that it keeps; and both look for a class, where the adapter of the nearest one is meant here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field

from adapter_workbench.fusion.routing.routers import Router, RouterSettings, starts
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


class Settings(RouterSettings):
    """``level``: one prototype for each class of a task, of which the nearest counts, or one for the whole task."""

    level: Literal["class", "task"] = Field("class", description="a prototype for each class, or for each task")


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: Settings) -> Part:
    """Return ``prototypes`` (classes or 1, hidden_size): means of the training examples' features."""
    if task is None:
        raise InputError(f"the prototype of {adapter.id} needs its training examples")
    rows = task.splits["train"]
    vectors = reader.features(rows)  # (examples, h)
    labels = np.asarray(rows["label"][:]) if settings.level == "class" else np.zeros(len(rows))
    means = np.stack([vectors[labels == label].mean(axis=0) for label in np.unique(labels)])
    return {"prototypes": torch.from_numpy(means)}


@dataclass(frozen=True)
class UnitPrototypes:
    """The prototypes of all adapters, each at length 1."""

    vectors: NDArray[np.floating[Any]]  # of all adapters (prototypes, h)
    prototypes: tuple[int, ...]  # how many of them each adapter has, in order


def prepare(parts: Sequence[Part], settings: Settings) -> UnitPrototypes:
    """Return the prototypes of all adapters at length 1."""
    prototypes = [part["prototypes"].numpy() for part in parts]
    return UnitPrototypes(unit(np.vstack(prototypes)), tuple(map(len, prototypes)))


def score(known: UnitPrototypes, query: Query, settings: Settings) -> NDArray[np.floating[Any]]:
    """Return max over the prototypes p of an adapter of cos(f(x), p): (texts, adapters)."""
    texts = unit(query.reader.features(query.rows))
    return np.maximum.reduceat(texts @ known.vectors.T, starts(known.prototypes), axis=1)


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return ``vectors`` (n, h), each at length 1."""
    unit_vectors: NDArray[np.floating[Any]] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    return unit_vectors


ROUTER = Router(
    title="Nearest class prototype",
    paper="Rebuffi et al. 2017, iCaRL, arXiv:1611.07725, eq. 2; on a frozen backbone: Zhou et al. 2023, SimpleCIL, "
    "arXiv:2303.07338",
    settings=Settings,
    fit=fit,
    score=score,
    meaning="cosine to the nearest class mean, from -1 to 1",
    prepare=prepare,
)
