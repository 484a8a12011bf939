"""What a comparison of compositions has come to: who took part, and the key of every result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench import assets
from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

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
        assets.write_whole(folder / FILE, json.dumps(asdict(self), indent=1))


def load(folder: Path) -> FusionRecord | None:
    """Return the record in an experiment's folder; None where it holds none, because it is a stream's."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IntegrityError(f"not readable: {error}", where=str(path)) from None
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    found = FusionRecord(**fields)
    parties = tuple(Party(**one) for one in content["parties"])
    return replace(found, parties=parties, cells=tuple(Cell(**one) for one in content["cells"]))
