"""What the reference page says of a study's quantities, made from their declarations."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.mlflow.mlflow_names import metric_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.engine.study import Study
    from adapter_workbench.experiments.studies.core.quantity import Quantity

HEADS = ("quantity", "unit", "in `report --json`", "in tables", "in MLflow", "meaning")


@dataclass(frozen=True)
class Declared:
    """Quantities of one kind of entry, and where its numbers are."""

    entry: str  # of the JSON document, with a word in capitals for each name: ``strategies.LABEL``
    quantities: Sequence[Quantity[Any]]  # as they are reported of it
    unit: str = ""  # what a metric's name ends in, in the run of a result: ``TASK``, where that has several


def declared_by(study: Study) -> Sequence[Declared]:
    """Return ``DECLARED`` of a study's ``quantities.py``; nothing where there is no such module."""
    name = study.module("quantities")
    return import_module(name).DECLARED if find_spec(name) else ()


def path(declared: Declared, quantity: Quantity[Any]) -> str:
    """Return where a quantity is in the JSON document: ``strategies.LABEL.cost.train_seconds``; empty for nowhere."""
    if quantity.json is None:
        return ""
    return ".".join(part for part in (declared.entry, quantity.json, quantity.name) if part)


def metrics(declared: Declared, quantity: Quantity[Any]) -> list[str]:
    """Return its names in MLflow: in the run of a result, and in that of the experiment."""
    parts = (quantity.tracked, quantity.name, declared.unit)
    of_result = [metric_name(*(part for part in parts if part))] if quantity.tracked is not None else []
    return [*of_result, *([f"LABEL/{quantity.name}"] if quantity.summed else [])]


def rows(declared: Declared) -> list[list[str]]:
    """Return a row of Markdown for each quantity, under :data:`HEADS`; a dash for nowhere."""
    return [
        [
            f"`{quantity.name}`",
            quantity.unit,
            f"`{where}`" if (where := path(declared, quantity)) else "–",
            ", ".join(f"{table}: {column.head}" for table, column in quantity.columns.items()) or "–",
            ", ".join(f"`{name}`" for name in metrics(declared, quantity)) or "–",
            quantity.about,
        ]
        for quantity in declared.quantities
    ]
