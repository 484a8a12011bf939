"""Whether rows are still those of a task, on one screen of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.drift.result import FEWEST, MOST_EXAMPLES
from adapter_workbench.experiments.reporting.wording import DASH, bounds, may_have_seen, number, probability, share
from adapter_workbench.experiments.terminal.output import shortened, stdout, table

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.drift.result import Drift
    from adapter_workbench.experiments.answers.drift.signals import Signal

LEAST_SHOWN = 0.005  # what rounds to a percent
HALF = 0.5
TITLES = {
    "answers": "answers",
    "confidence": "confidence",
    "features": "texts as a whole",
    "elsewhere": "sent to another task",
    "unknown": "like nothing known",
    "accuracy": "answered rightly",
    "labels": "right labels",
}


def print_drift(drift: Drift) -> None:
    """Print the verdict as a sentence, what was compared, and texts that look like nothing known."""
    stdout.print(sentence(drift))
    drawn = f" of {drift.total:,}" if drift.rows < drift.total else ""
    empty = f"; {drift.empty:,} without a text" if drift.empty else ""
    rows = f"{drift.rows:,}{drawn} {_rows(drift.total, 'new')} and {drift.held_out:,} {_rows(drift.held_out, 'test')}"
    stdout.print(f"Compared: {rows}, by {drift.adapter}{empty}.")
    if drift.left_out and drift.left_out.unknown_label:
        stdout.print(f"Counted as answered wrongly: {drift.left_out.reasons[-1]}.")
    if drift.may_have_seen:
        stdout.print(may_have_seen("the test rows"))
    stdout.print()
    table(["", "test rows", "new rows", "unlike", "adjusted p", ""], [_row(signal, drift) for signal in drift.signals])
    if change := next((signal.change for signal in drift.signals if signal.change), None):
        interval = f"95 % interval {bounds(change)}, not adjusted"
        stdout.print(f"\nAnswered rightly: {number(change.mean, signed=True)} points ({interval}).")
    if drift.beyond and drift.far:
        shown = [(text.row, shortened(_words(text.answer)), shortened(text.text)) for text in drift.far[:MOST_EXAMPLES]]
        stdout.print()
        table(["row", "answer", "text"], shown, "Like nothing known, the farthest first")


def sentence(drift: Drift) -> str:
    """Return what a layman reads first."""
    if drift.beyond:
        return f"{_graded(drift)} {' '.join(map(_finding, drift.beyond))}"
    if drift.verdict == "still the task":
        return f"Still the task: nothing tells these {drift.rows:,} rows from test rows of {drift.task}."
    few = min((drift.rows, "new"), (drift.held_out, "test"))
    return f"Too few rows to say: {few[0]:,} {_rows(*few)}, and with fewer than {FEWEST} most changes are not found."


def _graded(drift: Drift) -> str:
    """Return how much it has drifted."""
    begins = {"somewhat": "Somewhat drifted", "clearly": "Clearly drifted"}.get(
        drift.grade or "", f"No longer {drift.task}"
    )
    effect = drift.effect or 0.0
    much = f"at least about {share(effect)}" if effect >= LEAST_SHOWN else "hardly any"
    within = f" That is within --max-foreign {drift.bounds.max_foreign:g}." if not drift.alarms else ""
    return f"{begins}: {much} of these rows are unlike test rows of {drift.task}.{within}"


def _rows(number: int, kind: str) -> str:
    """Return ``new rows``, or ``new row`` where there is one."""
    return f"{kind} row" if number == 1 else f"{kind} rows"


def _finding(signal: Signal) -> str:
    """Return what one signal found, as a sentence."""
    old, new = signal.reference, signal.new
    if signal.shares:
        label, (before, after) = next(iter(signal.shares.items()))
        whose = "right labels" if signal.name == "labels" else "answers"
        return f"{shortened(label)!r} is {share(after)} of the {whose}, {share(before)} of those to test rows."
    if signal.name == "features":
        return "The texts as a whole are unlike the test rows."
    if signal.name == "answers":
        return f"The answers are {new:.4g} on average, {old:.4g} on test rows."
    if signal.name == "confidence":
        return f"The mean confidence is {new:.2f}, {old:.2f} on test rows."
    what = {
        "elsewhere": "would go to another task",
        "unknown": "look like nothing known",
        "accuracy": "are answered rightly",
    }[signal.name]
    known = " (so the router hardly knows this task)" if signal.name == "elsewhere" and (old or 0.0) >= HALF else ""
    return f"{number(new)} % {what}, {number(old)} % of the test rows{known}."


def _row(signal: Signal, drift: Drift) -> list[str]:
    old, new = signal.reference, signal.new
    if signal.shares:
        label, (before, after) = next(iter(signal.shares.items()))
        cells = [f"{shortened(label)}: {share(before)}", f"{shortened(label)}: {share(after)}"]
    elif old is None or new is None:
        cells = [DASH, DASH]
    elif signal.name in ("answers", "confidence"):
        cells = [f"{old:.4g}", f"{new:.4g}"] if signal.name == "answers" else [f"{old:.3f}", f"{new:.3f}"]
    else:
        cells = [f"{number(old)} %", f"{number(new)} %"]
    if signal.adjusted is None and drift.bounds.max_lost is not None:
        bound = f"≤ {drift.bounds.max_lost:g} points"
    else:
        bound = probability(signal.adjusted, drift.bounds.level).removeprefix("p = ").removeprefix("p ")
    unlike = DASH if signal.effect is None else share(signal.effect)
    return [TITLES[signal.name], *cells, unlike, bound, "beyond" if signal.beyond else ""]


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
