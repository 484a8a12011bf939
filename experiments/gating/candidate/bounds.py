"""What may be asked of a candidate beside the champion, on validation: no test example is looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.gating.gate import Check, require_number, require_percent
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair

SPLIT = "validation"


@dataclass(frozen=True)
class CandidateBounds:
    """What may be asked of a candidate."""

    max_lost_on_old: float | None = None  # points of right answers that may be lost on old validation rows
    # percent of old validation rows that the champion has right and the candidate may have wrong
    max_flips: float | None = None
    # percent; the recall of the worst label that the champion cannot give: a new one, or a part of a split one
    min_new_label: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises InputError."""
        for bound, option in ((self.max_lost_on_old, "--max-lost-on-old"), (self.max_flips, "--max-flips")):
            if bound is not None:
                _require_upper(bound, option)
        require_percent(self.min_new_label, "--min-new-label")

    @property
    def asked(self) -> bool:
        """Whether there is any bound."""
        return any(getattr(self, field.name) is not None for field in fields(self))

    def require_measurable(self, versions: VersionPair) -> None:
        """Make sure that there are validation rows for each bound, before anything is trained or opened.

        Raises:
            InputError: no old row is there, no label is new, or a new label has no row.
        """
        gold = versions.gold(SPLIT)
        earlier, later = versions.names
        for bound, option in ((self.max_lost_on_old, "--max-lost-on-old"), (self.max_flips, "--max-flips")):
            if bound is not None and not (versions.old(SPLIT) & np.isin(gold, versions.known)).any():
                message = f"no validation row of {later} with a label of {earlier} was in {earlier}"
                raise InputError(message, where=option, hint="Leave the bound out.")
        if self.min_new_label is None:
            return
        if not versions.unknown:
            message = f"{earlier} has all labels of {later}: none is new"
            raise InputError(message, where="--min-new-label", hint="--min-worst-label bounds all labels.")
        if missing := [versions.labels.labels[label] for label in versions.unknown if label not in gold]:
            message = f"no validation row of {later} has the label {', '.join(missing)}"
            raise InputError(message, where="--min-new-label", hint="Leave the bound out, or give rows of it.")


def check_candidate(rows: JudgedRows, bounds: CandidateBounds) -> Iterator[Check]:
    """Yield the check of each bound that is asked; ``rows`` are validation rows."""
    old = rows.old & rows.known
    number = int(old.sum())
    on_old = f"{number:,} old validation rows"
    if bounds.max_lost_on_old is not None:
        right = [_percent(scores[old]) for scores in (rows.champion_right, rows.candidate_right)]
        lost = None if right[0] is None or right[1] is None else right[0] - right[1]
        yield Check("points lost on old rows", "at most", bounds.max_lost_on_old, lost, note=on_old)
    if bounds.max_flips is not None:
        rate = _percent((rows.lost & old)[old].astype(float))
        note = f"{int((rows.lost & old).sum()):,} of {on_old}"
        yield Check("negative flips on old rows, percent", "at most", bounds.max_flips, rate, note=note)
    if bounds.min_new_label is not None:
        yield _worst_new(rows, bounds.min_new_label)


def _worst_new(rows: JudgedRows, bound: float) -> Check:
    recalls = {}
    for label in sorted({*rows.gold[~rows.known].tolist()}):
        own = rows.gold == label
        recalls[rows.names[label]] = (float(rows.candidate_right[own].mean()), int(own.sum()))
    if not recalls:
        return Check("recall of the worst new label, percent", "at least", bound, None, note="no row has a new label")
    worst = min(recalls, key=lambda name: recalls[name])
    recall, number = recalls[worst]
    note = f"{worst}, {plural(number, 'validation row')}"
    return Check("recall of the worst new label, percent", "at least", bound, 100 * recall, note=note)


def _percent(right: NDArray[np.float64]) -> float | None:
    return 100 * float(right.mean()) if len(right) else None


def _require_upper(bound: float, option: str) -> None:
    """Refuse what cannot be meant as an upper bound in points or percent."""
    require_number(bound, option)
    if not 0 <= bound <= 100:
        raise InputError(f"it lies between 0 and 100, not at {bound:g}", where=option)
