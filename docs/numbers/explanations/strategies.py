"""The numbers of docs/explanations/strategies.md: settings, and the repair that its evidence page measures."""

from __future__ import annotations

from collections.abc import Iterator

from measured import number, read

STATED = [
    "and 0.1 from the tenth task on",  # fusion/updates/reptile.py
    "At 100 % all that was learned is still there; at 0 % nothing is.",  # a formula's ends
]
ENTRY = "sequential-lora"


def pieces() -> Iterator[str]:
    """Yield the score of the control, and of the repair that validates best."""
    entry = read("repair")["strategies"][ENTRY]
    control, best = entry["controls"]["head-on-frozen"], entry["repairs"][entry["best"]]
    before, after = (number(of["metrics"]["average_accuracy"]["mean"]) for of in (control, best))
    yield f"it scores {before} from the rows with which the best repair has {after}"
