"""The circumstances of each score: what differs between entries besides what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.studies.compositions.record import FusionRecord


def circumstances(record: FusionRecord, tried: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return for each row how its head began, its share of the budget's epochs, and among how many it was picked.

    ``tried``: label of each row → how many models it was picked among in each place.
    """
    settings = {entry.label: entry.settings for entry in record.entries}
    heads = {entry.label: entry.head for entry in record.entries}
    return {
        label: {
            "head at first": heads.get(label),
            "share of the epochs": _share(settings[label]) if heads.get(label) else None,
            "models tried in each place": models,
        }
        for label, models in tried.items()
    }


def _share(settings: Mapping[str, Any]) -> float:
    return float(settings.get("part", 1.0))
