"""What a comparison of compositions has come to: who took part, and the key of every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from workbench import sealed

FILE = "fusion.json"


@dataclass(frozen=True)
class Party:
    """A contestant as the record knows it."""

    label: str
    role: str
    family: str
    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One result: whose, on which problem, and where it is stored."""

    label: str
    target: str
    shots: int
    seed: int
    key: str


@dataclass(frozen=True)
class FusionRecord:
    """A comparison as far as it has come.

    Attributes:
        experiment: its name.
        reference: label of the contestant that gains are measured against.
        budgets: K → the budget of every fit and test.
        sources: for each source its adapter id, task, method, seed and validation score.
        diagnostics: (seed, family) as ``seed/family`` → what was known of the sources before they were composed.
        majority: target → test score of always answering the most frequent label.
        data: target → SHA-256 of its data; empty in a record of before this was kept.
    """

    experiment: str
    description: str
    backbone: str
    reference: str
    targets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    budgets: Mapping[str, Mapping[str, Any]]
    majority: Mapping[str, float]
    provenance: Mapping[str, str]
    sources: tuple[Mapping[str, Any], ...] = ()
    parties: tuple[Party, ...] = ()
    cells: tuple[Cell, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many results there will be."""
        return len(self.parties) * len(self.targets) * len(self.shots) * len(self.seeds)

    @property
    def single(self) -> bool:
        """Whether this is about one fusion, which everything else is compared with."""
        return any(one.label == self.reference and one.role == "composition" for one in self.parties)

    def save(self, folder: Path) -> None:
        """Write the record into the experiment's ``folder``."""
        sealed.write(RECORD, self, folder / FILE)


RECORD = TypeAdapter(FusionRecord)


def load(folder: Path) -> FusionRecord | None:
    """Return the record in an experiment's folder; None for another kind of experiment.

    Raises:
        IntegrityError: the record is damaged.
    """
    return sealed.read(RECORD, folder / FILE)
