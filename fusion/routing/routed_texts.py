"""adapters_for_texts(): the adapter that answers each text: the best by the router, or the best of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.fusion.routing.route import route
from adapter_workbench.fusion.routing.routers import ProbabilitySettings
from adapter_workbench.workbench.answering import serving
from adapter_workbench.workbench.backbone.batching import require_scores

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.route import RoutingState


@dataclass(frozen=True)
class RoutedTexts:
    adapters: NDArray[np.int64]  # for each text the index of its adapter (texts,)
    scores: NDArray[np.floating[Any]]  # what the router gave that adapter (texts,)
    rejected: NDArray[np.bool_]  # whether that is too little, so that no adapter is meant (texts,)


def adapters_for_texts(state: RoutingState, rows: Dataset, truth: NDArray[np.int64] | None = None) -> RoutedTexts:
    """Return the adapter of each text; for ``truth`` see :func:`adapter_workbench.fusion.routing.route.route`.

    That is the one with the highest score. Where the router gives probabilities and its settings say that k adapters
    are asked, it is the one of the k most probable whose answer is the most probable pair of task and label:
    argmax p(adapter | text) · max over its labels of p(label | text, adapter). Labels of different tasks are different.
    If the settings say so, each adapter's probabilities are those at its own temperature
    (:mod:`adapter_workbench.fusion.routing.temperature`). Where the router has floors, a lower score is a rejection
    (:mod:`adapter_workbench.fusion.routing.rejection`).
    """
    scores = route(state, rows, truth)  # (texts, adapters)
    require_scores(scores)
    chosen = scores.argmax(axis=1)
    if isinstance(state.settings, ProbabilitySettings) and state.settings.asked > 1:
        chosen = _most_confident(state, state.settings, rows, scores)
    best = np.take_along_axis(scores, chosen[:, None], axis=1)[:, 0]
    rejected = np.zeros(len(best), dtype=bool) if state.floors is None else best < state.floors[chosen]
    return RoutedTexts(chosen, best, rejected)


def _most_confident(
    state: RoutingState, settings: ProbabilitySettings, rows: Dataset, scores: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    probable = np.argsort(-scores, axis=1, kind="stable")[:, : settings.asked]  # (texts, asked)
    repeated = rows.select(np.repeat(np.arange(len(rows)), probable.shape[1]))
    sure = (_at_temperatures if settings.tempered else _confidence)(state, repeated, probable.ravel()).reshape(
        probable.shape
    )
    pairs = np.take_along_axis(scores, probable, axis=1) + np.log(sure)
    best: NDArray[np.int64] = np.take_along_axis(probable, pairs.argmax(axis=1)[:, None], axis=1)[:, 0]
    return best


def _confidence(state: RoutingState, rows: Dataset, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how sure the adapter at ``columns[i]`` is of its answer to row i."""
    owners = [state.adapters[column].id for column in columns]
    answers = serving.answers(state.adapters, state.reader.backbone, rows, owners)
    return np.array([answer.confidence for answer in answers], dtype=float)


def _at_temperatures(state: RoutingState, rows: Dataset, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the same at each adapter's own temperature."""
    from adapter_workbench.fusion.routing.temperature import confidence

    confidences = np.empty(len(columns))
    for column in np.unique(columns):
        own, divisor = np.flatnonzero(columns == column), float(state.parts[column]["temperature"])
        confidences[own] = confidence(state.adapters[column], rows.select(own), state.reader.backbone, divisor)
    return confidences
