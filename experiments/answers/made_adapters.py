"""Adapters that were just made, trained or composed of others, and how they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.engine.study import Report
    from experiments.workspace import StoredEvaluation
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.measures.label_counts import LabelScore


@dataclass(frozen=True)
class Trained:
    """An adapter, and how it does on the test split.

    Attributes:
        adapter: as it is stored.
        test: its scores.
        majority: the main score of always giving the most frequent answer.
        learned_nothing: why it seems so; None where the test shows that it has learned something.
        worst_label: the label that it answers worst on the test split; None for a task without labels.
    """

    adapter: StoredAdapter
    test: StoredEvaluation
    majority: float
    learned_nothing: str | None = None
    worst_label: LabelScore | None = None

    @property
    def scores(self) -> dict[str, float]:
        """Its scores on the validation and test splits, by name."""
        return {**self.adapter.manifest.metrics, **{f"test_{name}": value for name, value in self.test.scores.items()}}

    @property
    def metrics(self) -> dict[str, float]:
        """The ``metrics`` of ``--json``: the scores, and ``majority``."""
        return {**self.scores, "majority": self.majority}

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        from experiments.reporting.label_table import in_words
        from experiments.reporting.notebook import table

        scores = {f"test {name}": value for name, value in self.test.scores.items()} | {"majority": self.majority}
        rows = [*_facts(self.adapter), *((name, f"{value:.4g}") for name, value in scores.items())]
        rows += [("worst label", in_words(self.worst_label))] if self.worst_label else []
        return table([], [*rows, *([("learned nothing", self.learned_nothing)] if self.learned_nothing else [])])


@dataclass(frozen=True)
class FusedAdapter:
    """An adapter made of others, and how it stands beside the plain alternatives."""

    adapter: StoredAdapter
    report: Report

    def _repr_html_(self) -> str:
        """Return a table and the report for a notebook."""
        from experiments.reporting.notebook import table

        return table([], _facts(self.adapter)) + self.report._repr_html_()


def _facts(adapter: StoredAdapter) -> list[tuple[str, str]]:
    manifest = adapter.manifest
    facts = {"adapter": manifest.id, "task": manifest.task.name, "kind": manifest.task.kind, "method": manifest.method}
    facts |= {"backbone": manifest.backbone.name, "seed": str(manifest.seed), "folder": str(adapter.folder)}
    return [*facts.items()]  # of what was made here: all is known
