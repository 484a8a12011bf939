"""Scores of imported adapters, measured in this workspace: the sender's numbers are not used."""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "measured"  # of the documents in a workspace


@dataclass(frozen=True)
class MeasuredScore:
    """The validation score of an adapter that was measured here, and not where it was trained.

    Attributes:
        identity: of the adapter that was measured (:attr:`Manifest.identity`).
        validation: the score of the task's main metric.
        measure: what it is a score of (:func:`adapter_workbench.workbench.adapters.validation_scores.measure_of`).
        examples: the same in words.
        when: the time, UTC, in ISO format.
        test: the key of its evaluation on the test split; None where an earlier version wrote it.
    """

    identity: str
    validation: float
    measure: str
    examples: str
    when: str
    test: str | None = None
