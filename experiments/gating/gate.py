"""What a gate found: its bounds, and whether they hold. All numbers are in percent or points, as reports show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.workbench.errors import GateError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Limit: TypeAlias = Literal["at least", "at most"]
ROUNDING = 1e-9  # points by which a share times 100 may be off


@dataclass(frozen=True)
class Check:
    """One bound, and what was measured.

    Attributes:
        what: is bounded, in words.
        limit: which side the bound is on.
        bound: in percent or points; None where there is nothing that could bound it, so that any value holds.
        value: what was measured, in the same unit; None where it is not known or cannot be compared: the bound is then
            broken.
        interval: the 95 % interval of ``value`` over seeds; None where there is none.
        whole: whether the whole interval has to hold; without an interval the bound is broken then.
        note: what else is to be said.
        accepted: whether a person accepts it if it is broken: it holds then.
        listed: whether ``value`` is how many things there are, which ``note`` lists.
    """

    what: str
    limit: Limit
    bound: float | None
    value: float | None
    interval: tuple[float, float] | None = None
    whole: bool = False
    note: str = ""
    accepted: bool = False
    listed: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bound holds, or is accepted as it is; what cannot be compared does not hold."""
        return self.accepted or self.is_kept

    @property
    def is_kept(self) -> bool:
        """Whether the bound holds, whatever a person accepted."""
        if self.bound is None:
            return self._judged is not None
        return self.missing is not None and self.missing <= ROUNDING

    @property
    def missing(self) -> float | None:
        """By how many points the bound is broken, 0 or less where it holds; None where nothing can be compared."""
        judged = self._judged
        if self.bound is None or judged is None:
            return None
        return self.bound - judged if self.limit == "at least" else judged - self.bound

    @property
    def verdict(self) -> str:
        """Return ``yes``, or ``NO`` and by how much, or that it is accepted so, and the note."""
        if self.is_kept:
            answer = "yes"
        elif self.accepted:
            answer = "accepted"
        elif self.missing is None or self.listed:
            answer = "NO"
        else:
            answer = f"NO: {points(self.missing)} too {'low' if self.limit == 'at least' else 'high'}"
        return f"{answer} ({self.note})" if self.note else answer

    @property
    def cells(self) -> list[str | None]:
        """Return what stands in a table: what, bound, found, ok."""
        sign = "≥" if self.limit == "at least" else "≤"
        bound = None if self.bound is None else "none" if self.listed else f"{sign}{points(self.bound)}"
        shown = None if self.value is None else f"{self.value:.0f}" if self.listed else points(self.value)
        if shown and self.interval:
            low, high = self.interval
            shown += f" [{points(low)}, {points(high)}]"
        return [self.what, bound, shown, self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Return everything; None for what is not known."""
        low, high = self.interval or (None, None)
        return {
            "what": self.what,
            "limit": self.limit,
            "bound": self.bound,
            "found": self.value,
            "low": low,
            "high": high,
            "holds": self.holds,
            "accepted": self.accepted and not self.is_kept,
            "missing": None if self.missing is None else max(0.0, self.missing),
            "note": self.note,
        }

    @property
    def _judged(self) -> float | None:
        if not self.whole:
            return self.value
        return None if self.interval is None else self.interval[self.limit == "at most"]


@dataclass(frozen=True)
class Gate:
    """All bounds on one thing.

    Attributes:
        noun: ``adapter``, ``experiment`` or ``task``.
        name: the adapter's id, or the name of the experiment or task.
        checks: one for each bound.
    """

    noun: str
    name: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all bounds hold."""
        return all(check.holds for check in self.checks)

    def require(self) -> None:
        """Raise GateError where a bound is broken; it names every one."""
        broken = [check for check in self.checks if not check.holds]
        if broken:
            count = f"{len(broken)} of {plural(len(self.checks), 'bound')} {'is' if len(broken) == 1 else 'are'} broken"
            lines = [count, *(f"  {check.what}: {check.verdict}" for check in broken)]
            raise GateError("\n".join(lines), where=self.name)

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench gate --json``."""
        return {self.noun: self.name, "passed": self.passed, "bounds": [check.as_json() for check in self.checks]}


def refusal(checks: Sequence[Check]) -> str:
    """Return which bounds are broken, and by which figures, as one sentence; nothing where all hold."""
    broken = [check for check in checks if not check.holds]
    return "; ".join(_broken(check) for check in broken)


def _broken(check: Check) -> str:
    if check.listed:
        return f"{check.what}: {check.note}"
    measured = "not measured" if check.value is None else points(check.value)
    bound = "" if check.bound is None else f", {check.limit} {points(check.bound)} asked"
    return f"{check.what}: {measured}{bound}{f' ({check.note})' if check.note else ''}"


def points(value: float) -> str:
    """Return a number with two decimals; with more where it is so small that they would say 0."""
    if abs(value) <= ROUNDING:
        return "0.00"
    text = f"{value:.2f}" if abs(value) >= 0.005 else f"{value:.1g}"
    return text.replace("-", "−")


def require_percent(bound: float | None, option: str) -> None:
    """Refuse what cannot be meant as a lower bound in percent.

    Raises:
        InputError: it is not a number, above 100, or looks like a share, which nearly every score would pass.
    """
    if bound is None:
        return
    require_number(bound, option)
    if bound > 100:
        raise InputError(f"nothing is above 100 percent, so {bound:g} could never hold", where=option)
    if 0 < bound <= 1:
        hint = f"If {100 * bound:g} percent are meant: {option} {100 * bound:g}"
        raise InputError(f"the bound is in percent, and {bound:g} looks like a share", where=option, hint=hint)


def require_number(bound: float, option: str) -> None:
    """Raise InputError where a bound is not a finite number: nothing could be compared with it."""
    if not math.isfinite(bound):
        raise InputError(f"a bound is a finite number, not {bound}", where=option)
