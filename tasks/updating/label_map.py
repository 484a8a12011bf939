"""Which labels of a version come from which labels of the one before, by position: never by order alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelMap:
    """The labels of a version beside those of an earlier one."""

    before: tuple[str, ...]  # label names of the earlier version, in the order of its classes
    labels: tuple[str, ...]  # label names of the later version, in the order of its classes
    # for each of ``labels`` the positions in ``before`` that it comes from: one for a label that stayed or was
    # renamed, several for a merged one, none for a new one. The parts of a split label have the same one
    sources: tuple[tuple[int, ...], ...]

    @property
    def is_unchanged(self) -> bool:
        """Whether the labels are the same, in the same order."""
        return self == unchanged(self.before)

    def later(self, label: str) -> tuple[str, ...]:
        """Return what a label of the earlier version is called: one name, several parts, or nothing if it was retired.

        Raises:
            ValueError: the earlier version has no such label.
        """
        position = self.before.index(label)
        return tuple(name for name, positions in zip(self.labels, self.sources, strict=True) if position in positions)


def unchanged(labels: Sequence[str]) -> LabelMap:
    """Return the map of labels that stay as they are."""
    return LabelMap(tuple(labels), tuple(labels), tuple((position,) for position in range(len(labels))))


def composed(first: LabelMap, second: LabelMap) -> LabelMap:
    """Return the map from the labels before ``first`` to those after ``second``.

    Raises:
        ValueError: the labels after ``first`` are not those before ``second``.
    """
    if first.labels != second.before:
        raise ValueError(f"labels {first.labels} are followed by a map of {second.before}")
    sources = (
        sorted({position for middle in positions for position in first.sources[middle]}) for positions in second.sources
    )
    return LabelMap(first.before, second.labels, tuple(map(tuple, sources)))
