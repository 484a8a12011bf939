"""Pairs of texts out of a table of labelled texts: do these two have the same label?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def same_label_pairs(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return pairs of the texts of one split; ``label`` is 1 where both have the same label, else 0.

    Each text is in four pairs: first of one that is alike and of one that is not, and second of one of each. So a text
    alone, its length, or its place says nothing about the answer, and both answers are equally frequent. Texts that
    leave no such pairs are left out: the only one of its label, and at random those by which the most frequent label
    outnumbers all others together.

    Args:
        rows: ``id``, ``text``, and ``label`` (int); no text twice.
        seed: of the draw; another seed gives other pairs.

    Returns:
        ``id`` (``a+b``, of the ids of both), ``text``, ``text_pair``, ``label``; in random order.
    """
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(seed)
    order = _usable(rows["label"].to_numpy(dtype=np.int64), generator)
    labels = rows["label"].to_numpy(dtype=np.int64)[order]
    first = np.concatenate([order, order])
    second = np.concatenate([order[_partners_of_other_labels(labels, generator)], order[_partners_alike(labels)]])
    answers = np.repeat([0, 1], len(order))
    drawn = generator.permutation(len(first))
    first, second, answers = first[drawn], second[drawn], answers[drawn]
    ids, texts = rows["id"].to_numpy(dtype=object), rows["text"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "id": [f"{ids[a]}+{ids[b]}" for a, b in zip(first, second, strict=True)],
            "text": texts[first],
            "text_pair": texts[second],
            "label": answers,
        }
    )


def _usable(labels: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.intp]:
    """Return in random order the rows of which each can be paired with both kinds of partners."""
    import numpy as np

    order = generator.permutation(len(labels))
    counts = np.bincount(labels)
    order = order[counts[labels[order]] > 1]
    if not len(order):
        return order
    counts[counts < 2] = 0
    most = int(counts.argmax())
    surplus = max(0, int(2 * counts[most] - counts.sum()))
    return np.delete(order, np.flatnonzero(labels[order] == most)[:surplus])


def _partners_alike(labels: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return for each text the next one of its label, and for the last of them the first."""
    import numpy as np

    partners = np.empty(len(labels), dtype=np.intp)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        partners[members] = np.roll(members, -1)
    return partners


def _partners_of_other_labels(labels: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.intp]:
    """Return a random permutation that gives each text one of another label; no label is on more than half of them.

    Where a draw gives two texts of one label to one another, the second is exchanged with that of a random pair without
    this label. There is one: of n pairs, those with the label on a side are fewer than n as long as one has it on both.
    """
    import numpy as np

    partners = generator.permutation(len(labels))
    for wrong in np.flatnonzero(labels == labels[partners]):
        label = labels[wrong]
        if labels[partners[wrong]] != label:
            continue
        free = np.flatnonzero((labels != label) & (labels[partners] != label))
        other = generator.choice(free)
        partners[[wrong, other]] = partners[[other, wrong]]
    return partners
