"""The numbers of docs/explanations/composing.md: what the evidence pages on compositions say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from measured import limits, mean, negated, read, require, whole
from measured_contestants import contestants_of, scores_of
from measured_designs import NEITHER, REFUTED, SUPPORTED, outcomes

STATED: list[str] = []
SETTINGS = ("two-steps-unwritten", "two-steps-written", "form-and-skill")
BELOW = ("best-start", "pair-start, random sources")  # of one source, of random LoRAs


def pieces() -> Iterator[str]:
    """Yield what is said of several recipes at once."""
    settings = [contestants_of(read(name)) for name in SETTINGS]
    first, *others = (whole(contestants["pair-sum"]["score"]) for contestants in settings)
    (other,) = {*others}
    yield f"a part answers {first} % in one of three settings"
    yield f"and {other} % in the others"
    for contestants in settings:
        gains = {name: contestant["gain"]["reading"] for name, contestant in contestants.items() if contestant["gain"]}
        require(gains["pair-start"] == "higher", "far above a fresh LoRA in all three")
        require(all(gains[name] == "lower" for name in BELOW), "above one source alone, and above random LoRAs")
        require(gains["pair-start, mixed data"] == "undecided", "three comparisons were undecided")
    mixed = read("begin-ahead")["best_composition_minus_best_mixed_data"]
    above = negated(mixed)
    require(mixed["p_holm"] is None, "p not adjusted")
    yield f"it ended {mean(above)} {limits(above)} points above the composition that validation picked"
    untrained = scores_of(contestants_of(read("two-steps-again"), "0"))
    yield f"try the sum: {untrained['pair-sum']} % against {untrained['mixed data alone, lora']} % for mixed data"
    yield f"untrained, the sum answers {untrained['pair-sum']} % on eight other seeds"
    one = contestants_of(read("fuse-reasoning"))
    source = one["reasoning-gym-needle-haystack alone, lora"]["score"]
    require(source > 2 * one["fresh lora"]["score"], "more than twice as much")
    came = Counter(outcome for outcome in outcomes().values() if outcome)
    yield (
        f"Of {came.total()} hypotheses that have run, {came[SUPPORTED]} were supported, {came[REFUTED]} refuted, and "
        f"{came[NEITHER]} not decided."
    )
