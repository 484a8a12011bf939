"""Whether new rows are still those of a task, with everything that was compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from adapter_workbench.experiments.answers.drift.signals import NAMES
from adapter_workbench.workbench.errors import GateError

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
    from adapter_workbench.experiments.answers.drift.signals import Signal
    from adapter_workbench.tasks.loading.labelled_table import LeftOut

Verdict: TypeAlias = Literal["still the task", "drifted", "too few rows to say"]
Grade: TypeAlias = Literal["somewhat", "clearly", "no longer this task"]
GRADES: dict[Grade, float] = {"no longer this task": 0.5, "clearly": 0.2, "somewhat": 0.0}  # from which effect on
FEWEST = 50  # rows of each sample; with fewer, that nothing was found says nothing
MOST_EXAMPLES = 5


@dataclass(frozen=True)
class FarText:
    """A new text that is farther from all training rows than nearly all held-out ones.

    Attributes:
        row: its number in the file, from 1; a header is not counted.
        text: the text; of a pair, the first.
        answer: of the adapter, as data.
        distance: to the nearest training row, in units of the bound; None where that is 0.
    """

    row: int
    text: str
    answer: Any
    distance: float | None


@dataclass(frozen=True)
class Drift:
    """Held-out rows of a task beside new rows.

    Attributes:
        adapter: that answered.
        task: that it was trained on.
        kind: of the task.
        bounds: what was allowed.
        held_out: how many test rows were compared.
        rows: how many new rows were compared.
        total: how many rows the file has.
        empty: how many of the rows that were drawn have no text.
        left_out: rows that have no label, or one that the task does not have; None without labels.
        signals: what was compared.
        far: the texts that look like nothing known, the farthest first.
        may_have_seen: whether the adapter may have been trained on the held-out rows: another program trained it.
    """

    adapter: str
    task: str
    kind: str
    bounds: DriftBounds
    held_out: int
    rows: int
    total: int
    empty: int
    left_out: LeftOut | None
    signals: tuple[Signal, ...]
    far: tuple[FarText, ...]
    may_have_seen: bool

    @property
    def beyond(self) -> tuple[Signal, ...]:
        """The signals that are beyond their bounds."""
        return tuple(signal for signal in self.signals if signal.beyond)

    @property
    def verdict(self) -> Verdict:
        """What the signals say together: an alarm is one with few rows too, no alarm is not."""
        if self.beyond:
            return "drifted"
        return "too few rows to say" if min(self.rows, self.held_out) < FEWEST else "still the task"

    @property
    def effect(self) -> float | None:
        """The least share of the new rows that is unlike the test rows, by the signals that are beyond their bounds."""
        effects = [signal.effect for signal in self.beyond if signal.effect is not None]
        return max(effects, default=None)

    @property
    def grade(self) -> Grade | None:
        """How much of a drift it is; None where nothing is beyond its bound."""
        if not self.beyond:
            return None
        return next(grade for grade, least in GRADES.items() if (self.effect or 0.0) >= least)

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """The signals for which the exit code is 3: those beyond their bounds, if more rows than allowed are unlike.

        Right answers that are lost are not a share of foreign rows: ``--max-lost`` alone allows them.
        """
        foreign = 100 * (self.effect or 0.0) > self.bounds.max_foreign or not self.bounds.max_foreign
        return tuple(signal for signal in self.beyond if foreign or signal.name == "accuracy")

    def require(self) -> None:
        """Raise GateError, whose exit code is 3, where there is an alarm; it names every signal of it."""
        if self.alarms:
            words = {"somewhat": "have drifted somewhat", "clearly": "have clearly drifted"}
            how = words.get(self.grade or "", "are no longer the task")
            names = ", ".join(signal.name for signal in self.alarms)
            raise GateError(f"these rows {how}: {names}", where=self.task)

    def as_json(self, most: int = MOST_EXAMPLES) -> dict[str, Any]:
        """Return the document of ``workbench drift --json``, with ``most`` texts; a signal that is missing is null."""
        signals = {signal.name: signal.as_json() for signal in self.signals}
        return {
            "task": self.task,
            "adapter": self.adapter,
            "kind": self.kind,
            "verdict": self.verdict,
            "grade": self.grade,
            "effect": self.effect,
            "beyond": [signal.name for signal in self.beyond],
            "alarm": bool(self.alarms),
            "level": self.bounds.level,
            "max_lost": self.bounds.max_lost,
            "max_foreign": self.bounds.max_foreign,
            "held_out": self.held_out,
            "rows": self.rows,
            "total": self.total,
            "empty": self.empty,
            "left_out": self.left_out and self._left_out(),
            "signals": {name: signals.get(name) for name in NAMES},
            "far": [vars(text) for text in self.far[:most]],
            "may_have_seen": self.may_have_seen,
        }

    def _left_out(self) -> dict[str, Any]:
        assert self.left_out is not None
        unknown = dict(self.left_out.unknown_labels)
        return {"without_label": self.left_out.without_label, "unknown_labels": unknown}
