"""What was compared with a neighbour, kept for `make neighbours`: each row of docs/evidence/neighbours.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Literal

from tests.neighbours.environments import BUILT

KEPT = BUILT / "compared"
Direction = Literal["reads", "writes", "asks", "is asked"]


@dataclass(frozen=True, order=True)
class Compared:
    """One comparison that ran.

    Attributes:
        program: its name, as its own documentation writes it.
        version: of the package that ran; "" where only its documented layout was written.
        direction: what the program does with what is here: it ``reads`` a folder of ours, ``writes`` one that is
            taken in, ``asks`` this project's server, or ``is asked`` by this project.
        what: the quantity that was compared, in a few words, with its unit.
        cases: how many answers, tokens, texts or tensors.
        difference: the largest absolute difference; None where what is compared is equal or not, and was equal.
    """

    program: str
    version: str
    direction: Direction
    what: str
    cases: int
    difference: float | None


def keep(row: Compared) -> None:
    """Keep a comparison; one of the same program, direction and quantity is replaced.

    Call it behind the assertions, so that what failed is not in the table.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    name = "-".join(map(_plain, (row.program, row.direction, row.what)))
    (KEPT / f"{name}.json").write_text(json.dumps(asdict(row), ensure_ascii=False), encoding="utf-8")


def kept() -> Iterator[Compared]:
    """Yield what ran, sorted."""
    yield from sorted(
        (Compared(**json.loads(path.read_text(encoding="utf-8"))) for path in KEPT.glob("*.json")),
        key=lambda row: (row.program.lower(), row.direction, row.what),
    )


def installed(package: str) -> str:
    """Return the version of a package of this environment."""
    return version(package)


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-")[:60]
