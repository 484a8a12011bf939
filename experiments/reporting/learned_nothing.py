"""Whether an adapter has learned anything: not where it gives one answer to everything, or does no better than that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from experiments.reporting.presentation import Paragraph
from experiments.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from workbench.manifest import Manifest

Z = 1.96  # standard errors of a 95 % interval
STILL = 0.01  # numbers that spread less than this share of the right ones are one number


def learned_nothing(outcomes: pd.DataFrame, score: float, constant: float | None = None) -> str | None:
    """Return why an adapter seems to have learned nothing, in words; None where the test shows that it has.

    Above means above by more than chance: the 95 % interval of the difference, over examples, does not hold 0.

    Args:
        outcomes: what it answered on the test split, as :class:`workbench.evaluation.Evaluation` holds it.
        score: the main metric on it.
        constant: the same of always giving the most frequent answer, or the mean, of the training split; None where it
            is not known. Of labels and numbers it is not needed: both are compared example by example, with the best
            constant answer of the test split itself. It may be another one, with a higher score.
    """
    number = len(outcomes)
    if number > 1 and _one_answer(outcomes):
        alike = "nearly the same number" if "value" in outcomes else "the same answer"
        return f"it gives {alike} to all {number:,} test examples"
    gain = _gain(outcomes)
    numbers = "value" in outcomes
    if gain is not None:
        lead, margin = float(gain.mean()), Z * float(gain.std()) / math.sqrt(max(number, 1))
        always = "the test split's mean" if numbers else "the answer that is most frequent in the test split"
    elif constant is not None:
        lead, margin, always = score - constant, 0.0, "the mean" if numbers else "the most frequent answer"
    else:
        return None
    if lead > margin:
        return None
    own, other = (f"{x:.3f}" if numbers else f"{100 * x:.1f} %" for x in (score, score - lead))
    return f"its score on {number:,} test examples ({own}) is not above that of always giving {always} ({other})"


def learned_nothing_in(file: Path, score: float, constant: float | None = None) -> str | None:
    """Return :func:`learned_nothing` of the outcomes in a file; None where there is none."""
    import pandas as pd

    return learned_nothing(pd.read_parquet(file), score, constant) if file.is_file() else None


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
    return f"This adapter has learned nothing that the test shows: {why}.\nTo try: {remedies(manifest)}"


def remedies(manifest: Manifest) -> str:
    """Return what to try with an adapter that has learned nothing, as options of the command that trained it."""
    if manifest.composition:
        return "other sources, or another composition method"
    if not manifest.fit.steps:
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


def _gain(outcomes: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return by how much each example's score exceeds that of the best constant answer; None for other kinds."""
    if "value" in outcomes:
        values, error = (outcomes[name].to_numpy(dtype=np.float64) for name in ("value", "error"))
        variance = values.var()
        return ((values - values.mean()) ** 2 - error**2) / variance if variance else None
    if "label" not in outcomes or outcomes["label"].dtype.kind not in "iu":
        return None
    labels = outcomes["label"].to_numpy()
    gain: NDArray[np.float64] = outcomes["correct"].to_numpy().astype(np.float64) - (
        labels == np.bincount(labels).argmax()
    )
    return gain
