"""What came out of a comparison of a candidate with the champion, in sentences that a layman reads first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.comparison import MARGIN, NEW, OLD, named
from adapter_workbench.experiments.reporting.differences import equal_in_words
from adapter_workbench.experiments.reporting.wording import adjusted_in_words, bounds, number, plural, probability
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.gating.candidate.by_label import LabelComparison
    from adapter_workbench.experiments.gating.candidate.changed_answers import Flips
    from adapter_workbench.experiments.gating.candidate.comparison import GroupComparison
    from adapter_workbench.workbench.measures.statistics import Interval

MOST_LABELS = 3  # that the champion cannot give, with a sentence each


def verdict(groups: Sequence[GroupComparison]) -> str:
    """Return what the planned comparisons say, and how each label is answered that the champion cannot give."""
    planned = [group for name in (OLD, NEW) if (group := named(groups, name)) and group.verdict]
    sentences = [_sentence(group) for group in planned]
    if not sentences:
        sentences = ["No test row has a label that the champion can give, so nothing can be compared."]
    return " ".join([*sentences, *_unknown(groups)])


def evidence(groups: Sequence[GroupComparison], flips: Flips) -> list[str]:
    """Return the tests behind the verdict, one line for each planned comparison, and the flips."""
    lines = [_test(group) for group in groups if group.verdict]
    if flips.negative_rate is not None:
        lines.append(
            f"Negative flip rate on old rows: {number(flips.negative_rate)} % ({flips.lost_on_old} of "
            f"{flips.old_rows:,} were right and are wrong now); the other way round: {flips.won_on_old}."
        )
    return lines


def remarks(labels: Sequence[LabelComparison], relabelled: int, without_label: int) -> Iterator[str]:
    """Yield what has to be known to read the numbers."""
    if unknown := [label for label in labels if label.champion is None]:
        listed = ", ".join(f"{label.label} ({label.note})" for label in unknown)
        yield f"The champion cannot give these labels, so it has no score on their rows: {listed}."
    if relabelled:
        counted = f"{plural(relabelled, 'old test row')} {'has' if relabelled == 1 else 'have'}"
        yield f"{counted} another label now: a score on them is not what it was."
    if without_label:
        yield (
            f"The champion answers {plural(without_label, 'test row')} with a label that is retired or split. "
            "Where another label is right, this counts as wrong."
        )


def _sentence(group: GroupComparison) -> str:
    assert group.verdict is not None
    word = {
        "higher": "higher",
        "lower": "lower",
        "equal": equal_in_words(MARGIN),
        "undecided": "undecided which is better",
    }[group.verdict.word]
    return (
        f"{_begun(group)}: the candidate has {_share(group.candidate)}, the champion {_share(group.champion)}: {word}."
    )


def _unknown(groups: Sequence[GroupComparison]) -> list[str]:
    unknown = [group for group in groups if group.name.startswith("label:")]
    words = [
        f"{_begun(group)}: {_share(group.candidate_on_all)} of {plural(group.rows, 'row')}."
        for group in unknown[:MOST_LABELS]
    ]
    return words if len(unknown) <= MOST_LABELS else [*words, f"{len(unknown) - MOST_LABELS} more labels are new."]


def _test(group: GroupComparison) -> str:
    assert group.verdict is not None
    assert group.difference is not None
    decided, limits = group.verdict, bounds(group.difference)
    equal = decided.word == "equal"
    test = "two one-sided tests of the margin" if equal else "McNemar's test"
    chance = probability(decided.p_equal if equal else decided.p, LEVEL)
    family = adjusted_in_words(decided.family)
    gap = f"{number(group.difference.mean, signed=True)} points, 95 % interval {limits}"
    return f"{_begun(group)} ({group.compared:,}): {gap}; {test}, {chance}{family}."


def _begun(group: GroupComparison) -> str:
    return f"{group.title[:1].upper()}{group.title[1:]}"


def _share(score: Interval | None) -> str:
    return f"{number(score.mean if score else None)} %"
