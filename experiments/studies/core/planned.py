"""The comparisons that a recipe declares: tested as a family, with what would decide those that are undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.families import in_family
from experiments.reporting.power import with_needs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.reporting.declared_test import DeclaredTest
    from experiments.reporting.differences import Difference


def planned_family(
    differences: Mapping[str, Difference], declared: DeclaredTest, against: Mapping[str, str] | None = None
) -> dict[str, Difference]:
    """Return what a recipe compares in one metric, by label; takes what :func:`in_family` does."""
    return with_needs(in_family(differences, declared, against))
