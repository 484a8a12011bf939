"""Labels that look alike, as in case or white space alone: most often one label that was written in several ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from adapter_workbench.tasks.rows.hidden_characters import look
from adapter_workbench.workbench.settings import yaml_text

Spellings = tuple[str, ...]


def spellings_of_one(counts: Mapping[str, int]) -> list[Spellings]:
    """Return the groups of labels that look alike (:func:`adapter_workbench.tasks.rows.hidden_characters.look`).

    Args:
        counts: label → how often it stands.

    Returns:
        Each group with the most frequent spelling first.
    """
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label != label.strip(), not label.islower(), label)):
        groups.setdefault(look(label), []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def sentence(groups: Sequence[Spellings], labels: Sequence[str]) -> str:
    """Return which labels have several spellings, and how a task file maps them to one.

    Args:
        groups: as :func:`spellings_of_one` returns them.
        labels: all there are.
    """
    names = {spelling: group[0] for group in groups for spelling in group[1:]}
    mapping = yaml_text.text_of(names, not _are_plain(groups), default_flow_style=True, width=math.inf)
    others = len(groups) > 1 and set(labels) - {spelling for group in groups for spelling in group}
    lines = f"`labels: {mapping.strip()}`{' and `other_labels: keep`' if others else ''}"
    return f"{alike(groups)}; {lines} in the task file makes one of each"


def alike(groups: Sequence[Spellings]) -> str:
    """Return which labels have several spellings; where they differ in more than case and white space, escaped."""
    plain = _are_plain(groups)
    listed = "; ".join(", ".join(map(repr if plain else ascii, group)) for group in groups)
    return f"labels {'differ in case or white space alone' if plain else 'look alike'} ({listed})"


def _are_plain(groups: Sequence[Spellings]) -> bool:
    """Return whether what is seen of the labels tells them apart: they differ in case or usual white space alone."""
    forms = [{b" ".join(label.lower().encode(errors="surrogatepass").split()) for label in group} for group in groups]
    return all(len(form) == 1 for form in forms)
