"""Exact algebra on low-rank weight updates: sums, truncation, norms and inner products without ever building ΔW."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """One module's weight update ΔW = b a, every scaling already inside ``b``.

    Attributes:
        b: (out, rank).
        a: (rank, in).
    """

    b: Tensor
    a: Tensor


Update = Mapping[str, LowRank]  # name of a module in the backbone → its update; a module that is not named has none


@dataclass(frozen=True)
class Merged:
    """What a merge gives.

    Attributes:
        update: the result.
        facts: ``rank`` (the largest of all modules), ``energy_kept`` (‖kept‖²_F ÷ ‖whole‖²_F over all modules) and
            ``truncation_error`` (‖whole − kept‖_F ÷ ‖whole‖_F).
    """

    update: Update
    facts: Mapping[str, float] = field(default_factory=dict)
