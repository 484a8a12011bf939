"""Rows of a comparison of compositions: shared by the pages of its recipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import compared, number, row


def contestants_of(document: dict[str, Any], shots: str = "16") -> dict[str, dict[str, Any]]:
    """Return each contestant's standing with so many examples, and what it is compared with."""
    return {
        name: {**contestant["standings"][shots], "against": contestant["against"]}
        for name, contestant in document["contestants"].items()
    }


def rows_of(contestants: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a row for each contestant, the highest score first."""
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        contestant = contestants[name]
        yield row(name, contestant["against"] or "", number(contestant["score"]), *compared(contestant))


def scores_of(contestants: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return each contestant's score as it is written."""
    return {name: number(contestant["score"]) for name, contestant in contestants.items()}


def gains_of(contestants: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return each contestant's difference from its control."""
    return {name: contestant["gain"] for name, contestant in contestants.items()}
