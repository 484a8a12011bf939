"""The comparisons that a recipe declares: tested as a family, with what would decide those that are undecided.

Where seeds are added until it is decided, a comparison that was decided stays as it was at that look. So a report reads
the record once for every look, with the seeds of then, and :func:`settled` takes from each what is read there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.power import with_needs

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.workspace import RecordDocument


Families = Mapping[str, Mapping[str, "Difference"]]  # metric → label → the difference that a recipe declares


class Planned(Protocol):
    """What a record says of its comparisons.

    Attributes:
        declared_test: how they are tested.
        settled: what was read at looks.
    """

    @property
    def declared_test(self) -> DeclaredTest: ...  # noqa: D102 - above
    @property
    def settled(self) -> Families: ...  # noqa: D102


def planned_family(
    differences: Mapping[str, Difference],
    declared: DeclaredTest,
    settled: Mapping[str, Difference],
    against: Mapping[str, str] | None = None,
) -> dict[str, Difference]:
    """Return what a recipe compares in one metric, by label; what was read at a look as it was then.

    Args:
        differences: by label.
        declared: how they are tested.
        settled: label → what was read at a look.
        against: label → what its difference is taken from, see :func:`in_family`.
    """
    family = with_needs(in_family(differences, declared, against))
    return {label: settled.get(label, of) for label, of in family.items()}


def up_to(document: RecordDocument, look: int) -> RecordDocument:
    """Return the record with its first ``look`` seeds alone."""
    seeds = document.about["seeds"][:look]
    later = {*document.about["seeds"][look:]}
    pieces = tuple(piece for piece in document.pieces if piece.coordinates.get("seed") not in later)
    return replace(document, about={**document.about, "seeds": seeds}, pieces=pieces)


def settled(by_look: Mapping[int, Families], main: str) -> dict[str, dict[str, Difference]]:
    """Return each declared difference as it was at the look that decided its ``main`` metric, else at the last one.

    What the main metric does not have, such as a contest of picks, is decided by itself.

    Args:
        by_look: number of seeds → the families of the report at that look, in the order of the looks.
        main: the metric that decides when to stop.
    """
    read: dict[str, dict[str, Difference]] = {}
    decided: set[str] = set()
    for look, families in by_look.items():
        for metric, family in families.items():
            own = {label: replace(of, look=look) for label, of in family.items() if label not in decided}
            read.setdefault(metric, {}).update(own)
        deciding = families.get(main, {})
        others = (family for metric, family in families.items() if metric != main)
        alone = {label: of for family in others for label, of in family.items() if label not in deciding}
        decided |= {label for label, of in {**alone, **deciding}.items() if of.is_decided}
    return read
