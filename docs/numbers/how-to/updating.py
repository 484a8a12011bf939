"""The names and defaults of ways, and the default way, in docs/updating.md."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_workbench.experiments.updates.plan import DEFAULT_WAY, WITHOUT_OLD_ROWS
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.experiments.ways.anchor import STRENGTH

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield every way's name, and the defaults of those that have settings."""
    yield from (f"| `{name}` |" for name in WAYS.names())
    yield f"it is `{DEFAULT_WAY}`, and with `--forget-rows` `{WITHOUT_OLD_ROWS}`"
    names = ("continue", "replay", "distil", "merge", "anchor")
    further, replay, distil, merge, anchor = (WAYS.get(name).settings() for name in names)
    yield f"`rows: {further.rows}` (or"
    yield f"`memory: {replay.memory}`, `policy: {replay.policy}`"
    yield f"`strength: {distil.strength:g}` (λ)"
    yield f"`weight: {merge.weight:g}` (w)"
    least, ewc = STRENGTH["l2"], STRENGTH["ewc"]
    yield f"`penalty: {anchor.penalty}`, `strength: null` ({least:g}; {ewc:g} for `ewc`), `examples: {anchor.examples}`"
