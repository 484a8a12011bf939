"""What is known before adapters are composed: validation scores on the K examples, and how the sources' weights lie.

Every input that a prediction of composing's gain is made from has its formula here, as ``docs/evidence/predicting.md``
registers it. v is a score on the K validation examples, in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUTS = ("headroom", "sensitivity", "room", "cosine", "interference")
OF_PAIR = ("cosine", "interference", "sign_conflict", "left_overlap", "right_overlap")  # the last three are no input


class Validated(NamedTuple):
    """How a model did on the validation examples; the greater of two validates better.

    Attributes:
        score: in [0, 1].
        likelihood: mean log-likelihood of the examples, in nats.
    """

    score: float
    likelihood: float


@dataclass(frozen=True)
class KnownBefore:
    """What is known of sources and a target before anything is composed.

    Attributes:
        source: the name of the single source that validates best.
        headroom: v(fresh adapter) − v(frozen features).
        sensitivity: v(best source) − v(fresh adapter).
        room: 1 − the larger of v(best source) and v(fresh adapter).
        pair: of the two sources that validate best, each statistic of
            :class:`adapter_workbench.fusion.diagnosis.diagnostics.Diagnostics`, by name.
    """

    source: str
    headroom: float
    sensitivity: float
    room: float
    pair: Mapping[str, float]

    @property
    def inputs(self) -> dict[str, float]:
        """What a prediction is made from, by name, in the order of :data:`INPUTS`."""
        validated = {"headroom": self.headroom, "sensitivity": self.sensitivity, "room": self.room}
        return {name: validated[name] if name in validated else self.pair[name] for name in INPUTS}


def known_before(
    frozen: Validated, fresh: Validated, sources: Mapping[str, Validated], diagnostics: Mapping[str, Any]
) -> KnownBefore:
    """Return what a prediction is made from.

    Args:
        frozen: a head on frozen features; of a generator the bare model.
        fresh: an adapter trained on the K examples from nothing.
        sources: name → each source alone, under a head for the target where it needs one.
        diagnostics: ``Diagnostics.as_json()`` of the sources, under the same names.

    Raises:
        InputError: fewer than two sources, a source without diagnostics, or a statistic that is not defined.
    """
    if len(sources) < 2:
        raise InputError(f"there is nothing to compose: {len(sources)} sources")
    best, second, *_ = sorted(sources, key=lambda name: sources[name], reverse=True)  # equal ones in their order
    return KnownBefore(
        source=best,
        headroom=fresh.score - frozen.score,
        sensitivity=sources[best].score - fresh.score,
        room=1 - max(sources[best].score, fresh.score),
        pair={name: _between(diagnostics, name, best, second) for name in OF_PAIR},
    )


def _between(diagnostics: Mapping[str, Any], statistic: str, best: str, second: str) -> float:
    names = [source["name"] for source in diagnostics["sources"]]
    if missing := [name for name in (best, second) if name not in names]:
        raise InputError(f"{missing[0]!r} is not among the diagnostics, which have {', '.join(names)}")
    value: float | None = diagnostics["pairs"][statistic]["value"][names.index(best)][names.index(second)]
    if value is None:
        raise InputError(f"{statistic} of {best} and {second} is not defined: one of them changes nothing")
    return value
