"""Fine-tuning methods compared on the same tasks: score and cost, with one budget for all.

The pieces are learning rates that are tried, adapters, and costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.study import GATHERED, Study, same_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.workspace import RecordDocument


def describe(record: RecordDocument) -> str:
    """Return the tasks and the backbone."""
    return f"methods on {', '.join(record.about['tasks'])}, on {record.about['backbone']}"


def changed(record: RecordDocument, coordinates: Mapping[str, Any]) -> RecordDocument | None:
    """Return the adapters of the same method; rates that were tried, and costs, are logged at the end."""
    return same_entry(record, coordinates) if coordinates["part"] == "fit" else None


STUDY = Study(__name__, "methods", describe, changed, modules={**GATHERED, "pieces": "pieces"})
