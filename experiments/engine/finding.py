"""What a check of this machine found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from adapter_workbench.workbench.errors import InputError


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        works: whether it works here.
        needed: whether all commands need it.
        detail: what the check saw.
        remedy: what to do if it does not work; empty if there is nothing to do.
    """

    name: str
    works: bool
    needed: bool
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def attempt(name: str, work: Callable[[], str], needed: bool, remedy: str) -> Finding:
    """Return whether ``work`` succeeds; it returns the detail, and an error is the detail too."""
    try:
        return Finding(name, True, needed, work())
    except Exception as error:  # whatever a library raises here is the finding
        detail = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Finding(name, False, needed, detail, remedy)
