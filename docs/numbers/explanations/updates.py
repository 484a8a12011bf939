"""The settings of the rule and the default way in docs/explanations/updates.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.takeover import ENOUGH, ONE_SIDED
from adapter_workbench.experiments.updates.plan import DEFAULT_WAY, WITHOUT_OLD_ROWS

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the settings of the rule, how many rows it needs, and the default ways."""
    yield f"has to be above −{MARGIN:g} points"
    yield f"one-sided level {ONE_SIDED}"
    yield f"in less than {100 * ENOUGH:.0f} % of cases"
    takeover = read("takeover-rates")
    require(takeover["settings"]["changed"] == 0.1, "as stated")
    require(takeover["rates"]["0 points"]["2000"]["on_validation"] > ENOUGH, "2,000 rows have it")
    yield "With 10 % of answers changed, 2,000 rows have it."
    yield f"takes the simplest way that no other way is shown to beat: `{DEFAULT_WAY}`"
    yield f"with `--forget-rows` `{WITHOUT_OLD_ROWS}`"
