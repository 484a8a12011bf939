"""Every stored tensor has to be the adapter's: names that the model lacks or that are the backbone's are refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def require_all(stored: Collection[str], expected: Collection[str]) -> None:
    """Make sure that a file holds the tensors that a model needs, and no others.

    Raises:
        ValueError: one is missing, or has no place in the model that the adapter's config describes.
    """
    if missing := sorted({*expected} - {*stored}):
        raise ValueError(f"the weights of {missing[0]} are missing")
    require_none_left({*stored} - {*expected})


def require_none_left(names: Iterable[str]) -> None:
    """Raise ValueError where stored tensors, whose ``names`` are given, have no place."""
    if left := sorted(names):
        more = f" and {len(left) - 1} others" if len(left) > 1 else ""
        raise ValueError(f"its config has no place for the weights of {left[0]}{more}")


def require_apart(stored: Iterable[str], own: Mapping[str, Tensor] | Collection[str]) -> None:
    """Raise ValueError where a stored tensor has the name of one of the backbone's ``own``, which it would replace."""
    if replaced := sorted({*stored} & {*own}):
        raise ValueError(f"{replaced[0]} is a weight of the backbone, not of an adapter")
