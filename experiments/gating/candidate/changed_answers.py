"""Answers that were right and are wrong now, and the other way round: negative and positive flips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows

MOST = 20  # examples in a JSON document and on a page
LONGEST = 300  # characters of a text that are shown


@dataclass(frozen=True)
class Flip:
    """One row on which exactly one of champion and candidate is right."""

    row: str  # its id
    text: str  # the text, cut; both texts of a pair
    right: str  # the right label
    champion: str  # what the champion answers
    candidate: str  # what the candidate answers
    confidence: float  # of the candidate in its answer
    old: bool  # whether the champion's version had the row


@dataclass(frozen=True)
class Flips:
    """The rows on which one of the two is right, those first on which the candidate is surest.

    ``negative_rate`` is the negative flip rate of Yan et al. (2021, Positive-Congruent Training, arXiv:2011.09161,
    eq. 1), the share of rows that the champion has right and the candidate wrong; here of the old rows.
    """

    lost: tuple[Flip, ...]  # right by the champion and wrong by the candidate: negative flips
    won: tuple[Flip, ...]  # wrong by the champion and right by the candidate: positive flips
    old_rows: int  # how many old rows have a label that the champion can give

    @property
    def lost_on_old(self) -> int:
        """How many old rows were lost."""
        return sum(flip.old for flip in self.lost)

    @property
    def won_on_old(self) -> int:
        """How many old rows were won."""
        return sum(flip.old for flip in self.won)

    @property
    def negative_rate(self) -> float | None:
        """The negative flip rate on old rows; None without such rows."""
        return self.lost_on_old / self.old_rows if self.old_rows else None

    def as_json(self, most: int = MOST) -> dict[str, Any]:
        """Return counts, all ids, and ``most`` examples of either kind."""
        return {
            "negative_flip_rate": self.negative_rate,
            "old_rows": self.old_rows,
            "lost_on_old": self.lost_on_old,
            "won_on_old": self.won_on_old,
            "lost": _listed(self.lost, most),
            "won": _listed(self.won, most),
        }


def flips_of(rows: JudgedRows) -> Flips:
    """Return the rows on which one of the two is right; rows whose label the champion cannot give are in neither."""
    return Flips(_flips(rows, rows.lost), _flips(rows, rows.won), int((rows.old & rows.known).sum()))


def _flips(rows: JudgedRows, mask: NDArray[np.bool_]) -> tuple[Flip, ...]:
    positions = np.flatnonzero(mask)
    order = positions[np.argsort(-rows.candidate.confidence[positions], kind="stable")]
    return tuple(
        Flip(
            row=rows.ids[index],
            text=cut(" | ".join(rows.texts[index])),
            right=rows.names[rows.gold[index]],
            champion=rows.champion.words[index],
            candidate=rows.candidate.words[index],
            confidence=float(rows.candidate.confidence[index]),
            old=bool(rows.old[index]),
        )
        for index in order.tolist()
    )


def cut(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _listed(flips: tuple[Flip, ...], most: int) -> dict[str, Any]:
    return {"ids": [flip.row for flip in flips], "examples": [vars(flip) for flip in flips[:most]]}
