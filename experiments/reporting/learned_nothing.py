"""Whether an adapter has learned anything: not where it gives (nearly) one answer to all, or does no better than that.

This is the one rule for it: whatever warns of such an adapter asks :func:`learned_nothing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.reporting.label_table import percent
from adapter_workbench.experiments.reporting.presentation import Paragraph
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.workspace.example_scores import read_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from adapter_workbench.workbench.adapters.manifest import Manifest

Z = 1.96  # standard errors of a 95 % interval
STILL = 0.01  # numbers that spread less than this share of the right ones are one number
NEARLY = 0.95  # of all test examples: so many equal answers are nearly one answer,
HARDLY = 0.2  # if of the macro F1 that a constant answer leaves to be gained no more than this share is gained
NOTHING = "learned nothing or next to nothing"  # what is said of such an adapter before why


def learned_nothing(outcomes: pd.DataFrame, score: float, constant: float | None = None) -> str | None:
    """Return why an adapter seems to have learned nothing, in words; None where the test shows that it has.

    Above means above by more than chance: the 95 % interval of the difference, over examples, does not hold 0. Of
    labels, accuracy and macro F1 both count, since one of them alone misleads where labels are not equally frequent:
    with few answers beside the most frequent label, accuracy is above it before the other labels are learned, and an
    adapter that finds a rare label at the price of others has learned although its accuracy is below.

    Args:
        outcomes: what it answered on the test split, as :class:`Evaluation` holds it.
        score: the main metric on it.
        constant: the same of always giving the most frequent answer, or the mean, of the training split; None where it
            is not known. Of labels and numbers it is not needed: both are compared example by example, with the best
            constant answer of the test split itself. It may be another one, with a higher score.
    """
    number = len(outcomes)
    if number > 1 and _one_answer(outcomes):
        alike = "nearly the same number" if "value" in outcomes else "the same answer"
        return f"it gives {alike} to all {number:,} test examples"
    labels = _macro_f1(outcomes)
    above = labels is not None and labels.is_above(Z)
    if not above and (why := _no_better(outcomes, score, constant)) is not None:
        return why
    if labels and labels.same >= NEARLY and labels.gained < HARDLY:
        same, score_of_adapter, score_of_constant = map(percent, (labels.same, labels.score, labels.constant))
        return (
            f"it gives the same answer to {same} of {number:,} test examples, and its macro F1 over their labels "
            f"({score_of_adapter}) is hardly above that of giving it to all ({score_of_constant})"
        )
    return None


def learned_nothing_in(file: Path, score: float, constant: float | None = None) -> str | None:
    """Return :func:`learned_nothing` of the outcomes in a file; None where there is none."""
    return learned_nothing(read_outcomes(file), score, constant) if file.is_file() else None


def warnings(failures: Sequence[str], remedies: str) -> Iterator[Paragraph]:
    """Yield the ``failures`` that a report speaks of, each a :func:`failure`, and what to try."""
    for sentence in failures:
        yield Paragraph(f"! {sentence}", "warning")
    if failures:
        yield Paragraph(f"To try: {remedies}.", "quiet")


def failure(what: str, seed: int, why: str, others: int, whole: str) -> str:
    """Return a sentence: ``what`` learned nothing, with which seed, why, and how many other adapters of a ``whole``."""
    more = f"; so {'do' if others > 1 else 'does'} {plural(others, 'more adapter')} of {whole}" if others else ""
    return f"{what} (seed {seed}): {why}{more}."


def advice(manifest: Manifest, why: str) -> str:
    """Return that an adapter has learned nothing, ``why``, and what to try."""
    return f"This adapter has {NOTHING}: {why}.\nTo try: {remedies(manifest)}"


def remedies(manifest: Manifest) -> str:
    """Return what to try with an adapter that has learned nothing, as options of the command that trained it."""
    if manifest.composition:
        return "other sources, or another composition method"
    if manifest.elsewhere:
        return (
            "its labels in another order (workbench adapters import … --labels), or the base model that it belongs to"
        )
    if not manifest.own_fit.steps:
        return "a method that trains, or another backbone"
    budget, rate = manifest.budget, manifest.settings.get("learning_rate")
    tries = [f"--set budget.epochs={2 * budget.epochs}"]
    if isinstance(rate, int | float) and rate > 0:
        tries += [f"--set learning_rate={3 * rate:.2g}", f"--set learning_rate={rate / 3:.2g}"]
    if manifest.task.kind == "classification" and not budget.balanced:
        tries.append("--set budget.balanced=true")
    if budget.train_examples:
        tries.append(f"--set budget.train_examples={2 * budget.train_examples}")
    more = "" if budget.train_examples else "; or more examples"
    return f"{', '.join(tries)}{more}"


def _one_answer(outcomes: pd.DataFrame) -> bool:
    """Say whether all answers are the same although the right ones are not."""
    given = outcomes["prediction"]
    if "value" in outcomes:
        spread = float(outcomes["value"].std())
        return spread > 0 and float(given.std()) < STILL * spread
    right = next((outcomes[name] for name in ("label", "answer") if name in outcomes), None)
    return given.nunique() == 1 and (right is None or right.nunique() > 1)


def _no_better(outcomes: pd.DataFrame, score: float, constant: float | None) -> str | None:
    """Say that the score is not above that of a constant answer, or by chance; None where it is, or is not known."""
    gain, number, numbers = _gain(outcomes), len(outcomes), "value" in outcomes
    if gain is not None:
        lead, margin = float(gain.mean()), Z * float(gain.std()) / math.sqrt(max(number, 1))
        always = "the test split's mean" if numbers else "the answer that is most frequent in the test split"
    elif constant is not None:
        lead, margin, always = score - constant, 0.0, "the mean" if numbers else "the most frequent answer"
    else:
        return None
    if lead > margin:
        return None
    own, other = (f"{x:.3f}" if numbers else percent(x) for x in (score, score - lead))
    beside, constant_score = f"its score on {number:,} test examples ({own}) is", f"that of always giving {always}"
    if own != other and lead > 0:
        return f"{beside} above {constant_score} ({other}) by no more than chance may do"
    return f"{beside} not above {constant_score} ({other})"


def _gain(outcomes: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return by how much each example's score exceeds that of the best constant answer; None for other kinds."""
    if "value" in outcomes:
        values, error = (outcomes[name].to_numpy(dtype=np.float64) for name in ("value", "error"))
        variance = values.var()
        return ((values - values.mean()) ** 2 - error**2) / variance if variance else None
    if not _has_labels(outcomes):
        return None
    labels = outcomes["label"].to_numpy()
    gain: NDArray[np.float64] = outcomes["correct"].to_numpy().astype(np.float64) - (
        labels == np.bincount(labels).argmax()
    )
    return gain


def _macro_f1(outcomes: pd.DataFrame) -> MacroF1 | None:
    """Return the macro F1 of one label an example; None for other kinds, and where the test has a single label."""
    if not _has_labels(outcomes) or outcomes["label"].nunique() < 2:
        return None
    return macro_f1(outcomes["label"].to_numpy(), outcomes["prediction"].to_numpy())


def _has_labels(outcomes: pd.DataFrame) -> bool:
    """Return whether there is one label an example, as an index."""
    return "label" in outcomes and outcomes["label"].dtype.kind in "iu"


# Macro F1 of an adapter's labels beside what it would be without learning: one answer to all, or answers at random.


@dataclass(frozen=True)
class MacroF1:
    """Macro F1 over the labels that the examples have, in [0, 1]."""

    score: float  # of the answers given
    constant: float  # of always giving the label that most examples have
    chance: float  # of the same answers in a random order: its mean over all orders
    deviation: float  # its standard deviation over all orders
    same: float  # share of the examples to which the most frequent answer is given

    @property
    def gained(self) -> float:
        """What was gained of that which the constant answer leaves to be gained: at most 1; negative if it is lost."""
        return (self.score - self.constant) / (1 - self.constant)

    def is_above(self, deviations: float) -> bool:
        """Return whether the score is above the constant's, and by so many deviations above chance."""
        return self.score > self.constant and self.score - self.chance > deviations * self.deviation


def macro_f1(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> MacroF1:
    """Return the macro F1 of ``answers``, beside what needs no learning.

    F1 of label k is 2 h ÷ (n + m), of n examples that have it, m that get it, and h of both. In a random order of the
    answers only h changes. Macro F1 is then a sum over examples of a(answer, label), whose mean and variance over all
    orders Hoeffding (1951, A combinatorial central limit theorem) gives:
    Var = Σ d(i, j)² ÷ (n − 1), where d is a without the means of its rows and columns.

    Args:
        labels: the right ones, (examples,), at least two different ones.
        answers: those given, (examples,).
    """
    number, most = len(labels), int(max(labels.max(), answers.max())) + 1
    wanted, given = (np.bincount(values, minlength=most).astype(np.float64) for values in (labels, answers))
    hits = np.bincount(labels[labels == answers], minlength=most)
    known = int((wanted > 0).sum())
    weights = np.where(wanted > 0, 2 / np.maximum(wanted + given, 1) / known, 0.0)  # of a hit, (labels,)
    rows, columns = weights * wanted / number, weights * given / number  # means of a over labels, and over answers
    mean = float(rows @ given) / number
    centred = np.diag(weights) - rows[:, None] - columns[None, :] + mean  # (answers, labels)
    variance = float(given @ centred**2 @ wanted) / max(number - 1, 1)
    share = float(wanted.max()) / number
    return MacroF1(
        score=float(weights @ hits),
        constant=2 * share / (1 + share) / known,
        chance=mean * number,
        deviation=math.sqrt(variance),
        same=float(given.max()) / number,
    )
