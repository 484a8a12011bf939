"""Labels that differ in case or white space alone: most often one label that was written in several ways."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence

from workbench.settings import yaml_text

Spellings = tuple[str, ...]


def spellings_of_one(counts: Mapping[str, int]) -> list[Spellings]:
    """Return the groups of labels that are equal but for case, white space and composed characters.

    Args:
        counts: label → how often it stands.

    Returns:
        Each group with the most frequent spelling first.
    """
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label != label.strip(), not label.islower(), label)):
        groups.setdefault(" ".join(unicodedata.normalize("NFC", label).split()).casefold(), []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def sentence(groups: Sequence[Spellings], labels: Sequence[str]) -> str:
    """Return which labels have several spellings, and how a task file maps them to one.

    Args:
        groups: as :func:`spellings_of_one` returns them.
        labels: all there are.
    """
    names = {spelling: group[0] for group in groups for spelling in group[1:]}
    mapping = yaml_text.text_of(names, default_flow_style=True, width=math.inf)
    others = len(groups) > 1 and set(labels) - {spelling for group in groups for spelling in group}
    lines = f"`labels: {mapping.strip()}`{' and `other_labels: keep`' if others else ''}"
    listed = "; ".join(", ".join(map(repr, group)) for group in groups)
    return f"labels differ in case or white space alone ({listed}); {lines} in the task file makes one of each"
