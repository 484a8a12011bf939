"""Adapters that were just made, trained or composed of others, and how they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.engine.study import Report
    from adapter_workbench.experiments.workspace import StoredEvaluation
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.measures.label_counts import LabelScore


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
        from adapter_workbench.experiments.reporting.label_table import in_words
        from adapter_workbench.experiments.reporting.notebook import table

        scores = {f"test {name}": value for name, value in self.test.scores.items()} | {"majority": self.majority}
        rows = [*_facts(self.adapter), *((name, f"{value:.4g}") for name, value in scores.items())]
        rows += [("worst label", in_words(self.worst_label))] if self.worst_label else []
        return table([], [*rows, *([("learned nothing", self.learned_nothing)] if self.learned_nothing else [])])


@dataclass(frozen=True)
class Kept:
    """What is kept of all that a fuse tried, and why.

    Attributes:
        label: of its row in the report.
        fusion: the label of the fusion that was asked for.
        favoured: the label of what validation puts first; None where nothing validates, as without examples.
        validation: label → validation score, of all that could be kept, the best first.
        choices: the labels of all that could be kept, the best on validation first.
        named: whether a person said what to keep; else validation chose.
    """

    label: str
    fusion: str
    favoured: str | None
    validation: Mapping[str, float]
    choices: tuple[str, ...]
    named: bool

    def as_json(self) -> dict[str, Any]:
        """Return ``{label, by, favoured, validation}``."""
        by = "a person" if self.named else "validation"
        return {"label": self.label, "by": by, "favoured": self.favoured, "validation": dict(self.validation)}


@dataclass(frozen=True)
class FusedAdapter:
    """The adapter that a fuse kept, how it does, and the report on all that was tried.

    Attributes:
        adapter: what was kept, as it is stored.
        report: on the fusion beside the plain alternatives.
        kept: which of them it is, and why.
        score: its main score on the test split.
        rows: how many training rows the target has; the fuse may have used fewer.
    """

    adapter: StoredAdapter
    report: Report
    kept: Kept
    score: float
    rows: int

    @property
    def metrics(self) -> dict[str, float | None]:
        """The ``metrics`` of ``--json``, of what was kept: ``test_score`` and ``validation``."""
        fit = self.adapter.manifest.fit
        return {"test_score": self.score, "validation": fit.validation if fit else None}

    def _repr_html_(self) -> str:
        """Return a table and the report for a notebook."""
        from adapter_workbench.experiments.reporting.notebook import table

        return table([], [*_facts(self.adapter), ("kept", self.kept.label)]) + self.report._repr_html_()


def _facts(adapter: StoredAdapter) -> list[tuple[str, str]]:
    manifest = adapter.manifest
    facts = {"adapter": manifest.id, "task": manifest.task.name, "kind": manifest.task.kind, "method": manifest.method}
    facts |= {"backbone": manifest.backbone.name, "seed": str(manifest.seed), "folder": str(adapter.folder)}
    return [*facts.items()]  # of what was made here: all is known
