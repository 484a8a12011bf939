"""What came of the designs that docs/evidence/preregistered.md registers: each hypothesis beside its contrasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from measured import FOLDER, limits, probability, read, reading, row, signed

from adapter_workbench.experiments.reporting.differences import MARKS

NOT_RUN = "has not run yet"
SUPPORTED, REFUTED, NEITHER = "supported", "refuted", "neither"
ABOVE, BELOW, ALIKE = "higher", "lower", "equal"
OTHERS = {ABOVE: {BELOW, ALIKE}, BELOW: {ABOVE, ALIKE}}


@dataclass(frozen=True)
class Contrast:
    """A row of a design's report minus what the recipe compares it with.

    Attributes:
        row: its name in the report.
        minus: what it is compared with.
        supports: verdicts that speak for the hypothesis.
        refutes: verdicts that speak against it.
    """

    row: str
    minus: str
    supports: frozenset[str]
    refutes: frozenset[str]


def contrast(row: str, minus: str, supports: str, refutes: set[str] | None = None) -> Contrast:
    """Return a contrast that one verdict supports and, where nothing else is said, the two other ones refute."""
    return Contrast(row, minus, frozenset({supports}), frozenset(OTHERS[supports] if refutes is None else refutes))


@dataclass(frozen=True)
class Hypothesis:
    """A registered hypothesis: it takes all of its contrasts, or one of them.

    Attributes:
        name: in the registered page.
        design: the recipe.
        says: the hypothesis in words.
        contrasts: that decide it.
        one_is_enough: one contrast supports it, and all have to refute it; else all support it, and one refutes it.
        late: registered when other rows of its run were known, and not before the run.
    """

    name: str
    design: str
    says: str
    contrasts: tuple[Contrast, ...]
    one_is_enough: bool = False
    late: bool = False

    def outcome(self, readings: dict[str, str]) -> str:
        """Return what the verdicts of a report, row → verdict, say of it."""
        for_it = [readings[contrast.row] in contrast.supports for contrast in self.contrasts]
        against = [readings[contrast.row] in contrast.refutes for contrast in self.contrasts]
        enough, too_many = (any, all) if self.one_is_enough else (all, any)
        if enough(for_it):
            return SUPPORTED
        return REFUTED if too_many(against) else NEITHER


ONE_SOURCE = (contrast("best-start", "pair-start", BELOW),)
MIXING = (
    contrast("pair-mix", "mixed data alone, lora", ABOVE),
    contrast("pair-start, mixed data", "pair-start", BELOW),
)
WRITTEN, UNWRITTEN, AGAIN = "two-steps-written", "two-steps-unwritten", "same-group-again"
HYPOTHESES = (
    Hypothesis("A1", "begin-ahead", "A start at a source is ahead", (contrast("nearest", "fresh lora", ABOVE),)),
    Hypothesis(
        "A2",
        "begin-ahead",
        "It is ahead by the source's skill, not by its form",
        tuple(
            contrast(row, "nearest", BELOW)
            for row in ("nearest, shuffled sources", "nearest, random sources", "unrelated")
        ),
    ),
    Hypothesis(
        "A3",
        "begin-ahead",
        "Composing adds to the best source",
        tuple(contrast(row, "nearest", ABOVE) for row in ("fused", "meta")),
        one_is_enough=True,
    ),
    Hypothesis(
        "B1",
        "form-and-skill",
        "Two LoRAs can be added to a third ability",
        (contrast("pair-sum", "best source", ABOVE),),
    ),
    Hypothesis("B2", "form-and-skill", "Composing beats mixing the data", MIXING),
    Hypothesis(
        "B3",
        "form-and-skill",
        "Parts are worth more than few examples",
        (contrast("pair-start", "fresh lora", ABOVE),),
    ),
    Hypothesis(
        "B4",
        "form-and-skill",
        "It is the skill, not the form",
        (contrast("pair-start, random sources", "pair-start", BELOW),),
    ),
    Hypothesis("B5", "form-and-skill", "Sources that do not fit disturb", (contrast("sum", "pair-sum", BELOW),)),
    Hypothesis(
        "B6",
        "form-and-skill",
        "Sixteen examples find the parts among six",
        (contrast("mix", "fresh lora", ABOVE),),
    ),
    Hypothesis("B7", "form-and-skill", "Two parts are a better start than one", ONE_SOURCE),
    Hypothesis(
        "B8",
        "form-and-skill",
        "Added LoRAs beat one of mixed data where there is no example",
        (
            contrast("pair-sum-mixed", "mixed data alone, lora", ABOVE),
            contrast("pair-sum, random sources", "pair-sum", BELOW),
        ),
    ),
    Hypothesis("C1", WRITTEN, "Steps add up if the middle is written", (contrast("pair-sum", "best source", ABOVE),)),
    Hypothesis(
        "C2",
        UNWRITTEN,
        "They do not if it is not written",
        (Contrast("pair-sum", "best source", frozenset({BELOW, ALIKE}), frozenset({ABOVE})),),
    ),
    Hypothesis("C3", WRITTEN, "Composing beats mixing the data if the middle is written", MIXING),
    Hypothesis(
        "C4",
        WRITTEN,
        "Parts are worth more than few examples if the middle is written",
        (contrast("pair-start", "fresh lora", ABOVE),),
    ),
    Hypothesis("C5", WRITTEN, "Two parts are a better start than one, the middle written out", ONE_SOURCE, late=True),
    Hypothesis(
        "C6",
        "two-steps-again",
        "Without an example, two added LoRAs are above each of their sources, mixed data and random LoRAs",
        (
            contrast("pair-sum", "mixed data alone, lora", ABOVE),
            *(contrast(f"pair-sum-{part}", f"{part} alone", ABOVE) for part in ("animals", "reverse", "double")),
            contrast("pair-sum, random sources", "pair-sum", BELOW),
        ),
    ),
    Hypothesis(
        "D1",
        "same-group",
        "The source's skill carries over to unseen groups",
        (
            contrast("warm-start", "fresh lora", ABOVE),
            contrast("warm-start, random sources", "warm-start", BELOW, set()),
            contrast("warm-start, shuffled sources", "warm-start", BELOW, set()),
        ),
    ),
    Hypothesis(
        "D2",
        "same-group",
        "Composing adds to the best source",
        tuple(contrast(row, "warm-start", ABOVE) for row in ("warm-start-average", "scalearn")),
        one_is_enough=True,
    ),
    Hypothesis(
        "D3",
        "same-group",
        "AdapterFusion gains over a fresh adapter where the target is sensitive",
        (contrast("adapterfusion", "fresh pfeiffer", ABOVE),),
    ),
    Hypothesis(
        "D4",
        "same-group-scales",
        "A second source adds to learned scales",
        (contrast("scalearn", "scalearn-one", ABOVE),),
    ),
    Hypothesis(
        "D5",
        AGAIN,
        "AdapterFusion gains over a fresh adapter, on other seeds",
        (contrast("adapterfusion", "fresh pfeiffer", ABOVE),),
    ),
    Hypothesis(
        "D6",
        AGAIN,
        "A second source adds to AdapterFusion",
        (contrast("adapterfusion-one", "adapterfusion", BELOW),),
    ),
    Hypothesis(
        "D7",
        AGAIN,
        "The source's skill carries over to unseen groups, on other seeds",
        (
            contrast("warm-start", "fresh lora", ABOVE),
            contrast("warm-start, random sources", "warm-start", BELOW, set()),
        ),
    ),
    Hypothesis(
        "D8",
        AGAIN,
        "Training adds to the source that fits",
        (contrast("warm-start-fourteen", "same-group-fourteen alone, lora", ABOVE),),
    ),
)


OPEN, NOT_SUPPORTED = "open", "not supported"
EXPECTED = {"A3": REFUTED, "B2": OPEN, "B6": REFUTED, "C3": OPEN, "D2": REFUTED, "D4": REFUTED, "D6": NOT_SUPPORTED}
EXPECTED |= {"D8": NOT_SUPPORTED}  # all others: supported


def pieces() -> Iterator[str]:
    """Yield the rows of the table: each hypothesis, its contrasts, and what came of them."""
    came = outcomes()
    for hypothesis in HYPOTHESES:
        gains = _gains(hypothesis)
        late = ", registered late" if hypothesis.late else ""
        head = (hypothesis.name, hypothesis.says, EXPECTED.get(hypothesis.name, SUPPORTED))
        outcome = f"{came[hypothesis.name] or NOT_RUN}{late}"
        for each in hypothesis.contrasts:
            (asked,) = each.supports if len(each.supports) == 1 else (f"not {ABOVE}",)
            yield row(*head, f"`{each.row}` − {each.minus}", asked, *_measured(each, gains), outcome)
            head, outcome = ("", "", ""), ""


def outcomes() -> dict[str, str]:
    """Return what came of each hypothesis, by its name; nothing of one whose rows are in no stored report."""
    came = {}
    for hypothesis in HYPOTHESES:
        gains = _gains(hypothesis)
        readings = {name: reading(gain) for name, gain in gains.items()}
        came[hypothesis.name] = hypothesis.outcome(readings) if gains else ""
    return came


def _gains(hypothesis: Hypothesis) -> dict[str, Any]:
    """Return row → its difference over all K, as the report judges it; nothing where a row of it is missing."""
    if not (FOLDER / f"{hypothesis.design}.json").is_file():
        return {}
    document = read(hypothesis.design)
    overall = "all" if len(document["shots"]) > 1 else str(document["shots"][0])
    gains = {name: contestant["standings"][overall]["gain"] for name, contestant in document["contestants"].items()}
    return gains if all(contrast.row in gains for contrast in hypothesis.contrasts) else {}


def _measured(contrast: Contrast, gains: dict[str, Any]) -> tuple[str, str]:
    """Return a contrast's difference and its p, where there are some."""
    if not gains:
        return "", ""
    gain = gains[contrast.row]
    p = probability(gain["p_holm"]).removeprefix("p = ")
    return f"{signed(gain)} {limits(gain)} {MARKS[reading(gain)]}", p
