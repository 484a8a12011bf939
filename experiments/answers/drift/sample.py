"""What is measured of one sample of rows, before two samples are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Judged:
    """The rows of a sample whose right answers are known."""

    # whether a row is answered rightly, (rows,); a row whose label the task does not have is not
    correct: NDArray[np.bool_]
    # what is right, in the form of an answer's value; None for a label that the task does not have
    labels: Sequence[Any]


@dataclass(frozen=True)
class Sample:
    """What an adapter answers to n rows, and where they lie among the features of the frozen backbone."""

    values: Sequence[Any]  # the answers as data: a label, a list of labels or tags, a number, or words
    confidence: NDArray[np.float64]  # of each answer, (n,); NaN where there is none
    features: NDArray[np.floating[Any]]  # of the frozen backbone, each at length 1, (n, h)
    nearest: NDArray[np.float32]  # distance to the nearest training row, (n,)
    # whether a router sends the row to another task, (n,); None where no router could be asked
    elsewhere: NDArray[np.bool_] | None
    judged: Judged | None = None  # the rows with a right answer; None where nobody gave one

    def __len__(self) -> int:
        """Return n."""
        return len(self.values)
