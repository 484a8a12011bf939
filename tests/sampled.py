"""Which cases of a contract run on each change, and which wait: many entries, and what is the same behind several.

A case that waits is marked ``acceptance``: ``make acceptance`` runs all of them, and ``make test-reached`` those of an
entry that has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet


def waiting(values: Any, unless: bool = False, **options: Any) -> ParameterSet:
    """Return a case (its value, or a tuple of values) that waits, or runs on each change."""
    given = values if isinstance(values, tuple) else (values,)
    return pytest.param(*given, marks=() if unless else pytest.mark.acceptance, **options)


def first_of_each(cases: Iterable[Any], group: Callable[[Any], Hashable]) -> list[ParameterSet]:
    """Return cases of which the first of each group runs on each change; the others wait."""
    begun: set[Hashable] = set()
    parameters = []
    for case in cases:
        parameters.append(waiting(case, unless=group(case) not in begun))
        begun.add(group(case))
    return parameters
