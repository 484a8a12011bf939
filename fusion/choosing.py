"""choose(): which adapter answers each text: the one that the router takes for the best, or the best of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusion.route import route
from fusion.routing import ProbabilitySettings
from workbench import serving

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

    from fusion.route import RoutingState


@dataclass(frozen=True)
class Choice:
    """The adapters of texts.

    Attributes:
        adapters: for each text the place of its adapter (texts,).
        scores: what the router gave that adapter (texts,).
    """

    adapters: NDArray[np.int64]
    scores: NDArray[np.floating[Any]]


def choose(state: RoutingState, rows: Dataset, truth: NDArray[np.int64] | None = None) -> Choice:
    """Return the adapter of each text; for ``truth`` see :func:`fusion.route.route`.

    That is the one with the highest score. Where the router gives probabilities and its settings say that k adapters
    are asked, it is the one of the k most probable whose answer is the most probable pair of task and label:
    argmax p(adapter | text) · max over its labels of p(label | text, adapter). Labels of different tasks are different.
    """
    scores = route(state, rows, truth)  # (texts, adapters)
    chosen = scores.argmax(axis=1)
    if isinstance(state.settings, ProbabilitySettings) and state.settings.asked > 1:
        chosen = _surest(state, rows, scores, state.settings.asked)
    return Choice(chosen, np.take_along_axis(scores, chosen[:, None], axis=1)[:, 0])


def _surest(state: RoutingState, rows: Dataset, scores: NDArray[np.floating[Any]], asked: int) -> NDArray[np.int64]:
    probable = np.argsort(-scores, axis=1, kind="stable")[:, :asked]  # (texts, asked)
    repeated = rows.select(np.repeat(np.arange(len(rows)), probable.shape[1]))
    owners = [state.adapters[place].id for place in probable.ravel()]
    answers = serving.answers(state.adapters, state.reader.backbone, repeated, owners)
    sure = np.array([answer.confidence for answer in answers], dtype=float).reshape(probable.shape)
    pairs = np.take_along_axis(scores, probable, axis=1) + np.log(sure)
    best: NDArray[np.int64] = np.take_along_axis(probable, pairs.argmax(axis=1)[:, None], axis=1)[:, 0]
    return best
