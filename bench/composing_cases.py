"""Cases that a prediction of composing's gain is fitted on and tested on: a target with K examples and one seed.

They are read from files of ``workbench report NAME --json --full`` about comparisons of compositions. What a case is
made of is registered in ``docs/evidence/predicting.md``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from adapter_workbench.experiments.studies.compositions.entry import alone_label
from adapter_workbench.workbench.errors import InputError
from bench.composing_inputs import OF_PAIR, KnownBefore, Validated, known_before

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMPOSED = ("average", "composition")  # roles of rows that are made of sources
PLAIN = ("frozen", "fresh", "source")  # roles of rows that need no composing
ONE_SOURCE = ["single"]  # the starts of a `warm-start` that begins at one source

Document = dict[str, Any]


class Unit(NamedTuple):
    """Where a result of a row belongs."""

    task: str
    shots: int
    seed: int


@dataclass(frozen=True)
class Trial:
    """What a row of the report did with one target, K and seed."""

    validated: Validated
    score: float


Rows = dict[str, dict[Unit, Trial]]


@dataclass(frozen=True)
class Case:
    """What was known before composing, and what composing gained.

    Attributes:
        experiment, target, shots, seed: which case it is.
        before: what was known; nothing of it comes from the test split.
        composing, alternative: the composition, and the plain alternative, that validate best.
        gain: test score of the first − that of the second, a share.
        margin: what a gain has to be above, a share.
    """

    experiment: str
    target: str
    shots: int
    seed: int
    before: KnownBefore
    composing: str
    alternative: str
    gain: float
    margin: float

    def as_json(self) -> dict[str, Any]:
        """Return the case as plain numbers and names."""
        return {
            "experiment": self.experiment,
            "target": self.target,
            "shots": self.shots,
            "seed": self.seed,
            "best_source": self.before.source,
            **self.before.inputs,
            **self.before.pair,
            "composing": self.composing,
            "alternative": self.alternative,
            "gain": self.gain,
            "margin": self.margin,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Case:
        """Return the case that :meth:`as_json` gave; raises KeyError where something is missing."""
        before = KnownBefore(
            source=entry["best_source"],
            headroom=entry["headroom"],
            sensitivity=entry["sensitivity"],
            room=entry["room"],
            pair={name: entry[name] for name in OF_PAIR},
        )
        own = ("experiment", "target", "shots", "seed", "composing", "alternative", "gain", "margin")
        return cls(before=before, **{name: entry[name] for name in own})


def stored(path: Path) -> list[Case] | None:
    """Return the cases in a file of ``bench.store_composing_cases``; None for another file.

    Raises:
        InputError: the file cannot be read, or a case in it lacks something.
    """
    document = _content(path)
    entries = document.get("cases") if isinstance(document, dict) else None
    if entries is None:
        return None
    try:
        return [Case.from_json(entry) for entry in entries]
    except (KeyError, TypeError) as error:
        raise InputError(f"a case is not whole: {error}", where=str(path)) from error


def read(path: Path) -> Document:
    """Return the report in a file.

    Raises:
        InputError: it is no report on compositions, or lacks what ``--full`` adds.
    """
    document = _content(path)
    rows = document.get("contestants") if isinstance(document, dict) else None
    if not rows:
        raise InputError("this is no report on compositions", where=str(path))
    if not all("trials" in row for row in rows.values()):
        hint = "Write it with `workbench report NAME --json --full`."
        raise InputError("the scores of each target, K and seed are missing", where=str(path), hint=hint)
    if rows[document["reference"]]["role"] != "fresh":
        raise InputError("this is a report on one fusion, and not on a recipe", where=str(path))
    if not document["diagnostics"]:
        raise InputError("the diagnostics of the sources are missing", where=str(path))
    return dict(document)


def cases(document: Document) -> Iterator[Case]:
    """Yield a case for each target, K above 0 and seed in which all rows of its kind of adapter have a result."""
    contestants = document["contestants"]
    family = contestants[document["reference"]]["family"]
    own = {label: row for label, row in contestants.items() if row["family"] in (family, "")}
    composed = _rows(own, [label for label, row in own.items() if row["role"] in COMPOSED and not _begins_at_one(row)])
    plain = _rows(own, [label for label, row in own.items() if row["role"] in PLAIN or _begins_at_one(row)])
    (frozen,) = (label for label, row in own.items() if row["role"] == "frozen")
    if not composed:
        raise InputError("nothing is composed of two sources or more", where=document["experiment"])
    shared = set.intersection(*({*trials} for trials in (*composed.values(), *plain.values())))
    for unit in sorted(unit for unit in shared if unit.shots):
        diagnostics = document["diagnostics"][f"{unit.seed}/{family}"]
        sources = {source["name"]: alone_label(source["name"], family) for source in diagnostics["sources"]}
        before = known_before(
            plain[frozen][unit].validated,
            plain[document["reference"]][unit].validated,
            {name: plain[label][unit].validated for name, label in sources.items()},
            diagnostics,
        )
        composing, alternative = _picked(composed, unit), _picked(plain, unit)
        gain = composed[composing][unit].score - plain[alternative][unit].score
        margin = document["margin"] / 100
        yield Case(
            document["experiment"], unit.task, unit.shots, unit.seed, before, composing, alternative, gain, margin
        )


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error


def _begins_at_one(row: Mapping[str, Any]) -> bool:
    return bool(row["role"] == "composition" and row["settings"].get("start") == ONE_SOURCE)


def _rows(contestants: Mapping[str, Any], labels: list[str]) -> Rows:
    return {label: {_unit(trial): _trial(trial) for trial in contestants[label]["trials"]} for label in labels}


def _unit(trial: Mapping[str, Any]) -> Unit:
    return Unit(trial["target"], trial["shots"], trial["seed"])


def _trial(trial: Mapping[str, Any]) -> Trial:
    likelihood, score = trial["validation_log_likelihood"], trial["validation"]
    known = Validated(math.nan if score is None else score, -math.inf if likelihood is None else likelihood)
    return Trial(known, trial["score"])


def _picked(rows: Rows, unit: Unit) -> str:
    return max(rows, key=lambda label: rows[label][unit].validated)
