"""What an adapter of an earlier version answers, in the labels of the newest version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.softmax import log_softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.tasks.updating.label_map import LabelMap

NONE = -1  # in place of a label's position: the answer is none of the newest labels alone


@dataclass(frozen=True)
class KnownClass:
    """Labels of an earlier version that have become one, or the parts that one of them was split into."""

    sources: tuple[int, ...]  # positions among the earlier labels; their probabilities are added
    # positions among the newest labels: mostly one; several parts of a split label, which the adapter cannot tell
    # apart; none where the label was retired
    labels: tuple[int, ...]

    def words(self, labels: LabelMap) -> str:
        """Return what an answer with this class is called."""
        if self.labels:
            return " or ".join(labels.labels[label] for label in self.labels)
        return f"{', '.join(labels.before[source] for source in self.sources)} (retired)"


@dataclass(frozen=True)
class Answers:
    """What an adapter answers to n rows, in the newest labels."""

    labels: NDArray[np.int64]  # position of the label, (n,); `NONE` where it is none of them alone
    confidence: NDArray[np.float64]  # in the answer, (n,), in [0, 1]
    words: tuple[str, ...]  # what each answer is called


def known_classes(labels: LabelMap) -> tuple[KnownClass, ...]:
    """Return the classes that an adapter of the earlier version tells apart, in the order of its labels.

    Newest labels that share a source are one class: nothing that the adapter computes says which of them is meant.
    """
    classes = [({position}, set[int]()) for position in range(len(labels.before))]
    for label, sources in enumerate(labels.sources):
        shared = [pair for pair in classes if pair[0].intersection(sources)]
        if shared:
            joined = set[int]().union(*(own for own, _ in shared)), {label}.union(*(names for _, names in shared))
            classes = [*(pair for pair in classes if pair not in shared), joined]
    ordered = sorted(classes, key=lambda pair: min(pair[0]))
    return tuple(KnownClass(tuple(sorted(sources)), tuple(sorted(names))) for sources, names in ordered)


def told_apart(labels: LabelMap) -> tuple[int, ...]:
    """Return the positions of the newest labels that an adapter of the earlier version can give as an answer."""
    return tuple(sorted(known.labels[0] for known in known_classes(labels) if len(known.labels) == 1))


def answers_in(logits: NDArray[np.floating[Any]], order: Sequence[int], labels: LabelMap) -> Answers:
    """Return the answers behind logits: the class with the largest probability.

    Args:
        logits: of an adapter that knows the labels ``labels.before``, (n, its labels).
        order: for each of ``labels.before`` its column.
        labels: from those to the newest labels.
    """
    classes = known_classes(labels)
    probabilities = np.exp(log_softmax(logits[:, [*order]]))  # (n, earlier labels)
    summed = np.stack([probabilities[:, [*known.sources]].sum(axis=1) for known in classes], axis=1)  # (n, classes)
    given = summed.argmax(axis=1)
    positions = np.array([known.labels[0] if len(known.labels) == 1 else NONE for known in classes], dtype=np.int64)
    names = [known.words(labels) for known in classes]
    confidence = summed[np.arange(len(summed)), given]
    return Answers(positions[given], confidence, tuple(names[index] for index in given))
