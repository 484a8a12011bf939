"""Texts of none of the tasks: below which score the choice of a router is not believed.

A router always has a nearest task, also for texts that belong to none (out of scope, in the words of CLINC150: Larson
et al. 2019, arXiv:1909.02027). There, a threshold on the classifier's confidence is chosen with the help of texts that
are out of scope. Here such texts are not needed, and how many of them are found is not promised: the threshold is
where a given share of the tasks' own validation texts is rejected. With the rank that split conformal prediction takes
(Vovk et al. 2005; Bates et al. 2023, arXiv:2104.08279), the same holds for new texts of these tasks on average, as long
as they are like the validation texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rejection:
    """When the nearest task is rejected: below a score, or at a share of false rejections.

    Raises:
        InputError: both are given or none, a share that is not between 0 and 1, or a score that is no number.
    """

    least: float | None = None  # the lowest score with which it is, whichever task it is
    # how many of the validation texts that a task attracts may be rejected; a threshold for each task
    share: float | None = None

    @property
    def option(self) -> str:
        """The option that asks for it."""
        return "--min-routing-score" if self.share is None else "--max-false-rejections"

    def __post_init__(self) -> None:
        if (self.least is None) == (self.share is None):
            hint = "--min-routing-score sets one score for all tasks; --max-false-rejections chooses one for each."
            raise InputError("give a score or a share, not both", where="routing", hint=hint)
        if self.least is not None and math.isnan(self.least):
            raise InputError("this is not a number", where="--min-routing-score")
        if self.share is not None and not 0 < self.share < 1:
            hint = "A share of the tasks' own texts: 0.05 is one in twenty."
            raise InputError(f"{self.share:g} is not between 0 and 1", where="--max-false-rejections", hint=hint)


def rejection(least: float | None, share: float | None) -> Rejection | None:
    """Return what was asked for; None where nothing was. Raises as :class:`Rejection`."""
    return None if least is None and share is None else Rejection(least, share)


def floors(
    chosen: NDArray[np.int64], scores: NDArray[np.floating[Any]], adapters: int, share: float
) -> NDArray[np.float64]:
    """Return for each adapter the score below which its choice is rejected: (adapters,).

    That is the k-th smallest score of the n validation texts for which it was chosen, k = ⌊share · (n + 1)⌋; −∞ where
    k is 0. Of these n, fewer than share · n are rejected, unless scores are equal.

    Args:
        chosen: for each validation text, of all tasks, the index of the adapter that the router chooses (texts,).
        scores: its score (texts,).
        adapters: how many there are.
        share: the largest share of these texts that may be rejected.
    """
    import numpy as np  # the settings above are checked without it

    thresholds = np.full(adapters, -math.inf)
    for adapter in range(adapters):
        own = np.sort(scores[chosen == adapter])
        rank = math.floor(share * (len(own) + 1))
        if rank:
            thresholds[adapter] = own[rank - 1]
    return thresholds
