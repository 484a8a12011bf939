"""Under which circumstances each contestant came to its score, for whoever compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from experiments.studies.compositions.record import FusionRecord
    from experiments.studies.compositions.report import Row


def circumstances(record: FusionRecord, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Return for each row how its head began, its share of the budget's epochs, and among how many it was picked."""
    settings = {one.label: one.settings for one in record.contenders}
    heads = {one.label: one.head for one in record.contenders}
    return {
        row.label: {
            "head at first": heads.get(row.label),
            "share of the epochs": _share(settings[row.label]) if heads.get(row.label) else None,
            "models tried in each place": len(row.chosen) or 1,
        }
        for row in rows
    }


def _share(settings: Mapping[str, Any]) -> float:
    return float(settings.get("part", 1.0))
