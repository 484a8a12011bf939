"""Whether an adapter may take the champion's place: it is shown to lose little, and nothing of it is called lower.

The rule, which ``update``, ``add``, ``gate``, ``adapters promote`` and ``fuse --register`` share:

1. On validation rows whose label both adapters know, the whole 95 % interval of candidate − champion lies above
   −margin: non-inferiority at the one-sided level 0.025. Rows of other labels would count as wrong for one side alone.
2. Where so few rows could show that in less than 80 % of cases, even if nothing is lost, no margin is granted: the
   candidate must not be below the champion on them at all.
3. The report on test rows calls nothing lower: not the old rows, not the new rows, not a label that the champion
   knows, each family adjusted after Holm. So test rows may stop an adapter. They never make one champion.
4. The candidate can give every label of its task that the champion can give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.candidate.comparison import ALL, OLD, TITLES
from adapter_workbench.experiments.gating.gate import Check
from adapter_workbench.experiments.reporting.wording import bounds, number, plural
from adapter_workbench.workbench.errors import InputError, WorkError
from adapter_workbench.workbench.measures.paired_scores import chance_of_loss, chance_of_none, drop, power_to_rule_out
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.gating.candidate.by_label import LabelComparison
    from adapter_workbench.experiments.gating.candidate.comparison import GroupComparison
    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.measures.statistics import Array, Interval
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.mlflow.registration import Version

ONE_SIDED = 0.025  # level of the test of non-inferiority: that of the 95 % interval
ENOUGH = 0.8  # power from which the test decides; below, no margin is granted
BESIDE, CALLED, LACKING = "not below the champion", "called lower on test rows", "labels that it cannot give"
ABOUT_CHAMPION = (BESIDE, CALLED, LACKING)
ACCEPT = "--accept-loss"
HOW_TO_ACCEPT = f"The same command with {ACCEPT} makes it the champion, and writes the loss into its manifest."


@dataclass(frozen=True)
class Takeover:
    """A candidate beside the champion whose place it might take."""

    rows: int  # how many validation rows have a label that both know
    scores: tuple[float, float]  # of the champion and of the candidate on ``rows``
    difference: Interval  # candidate − champion with its 95 % interval over rows
    margin: float  # that may be lost, a share
    p: float | None  # one-sided, of a loss of at least the margin; None where it cannot be told
    # the chance to rule such a loss out with these rows if nothing is lost; None where it cannot be told, or such
    # a loss is ruled out
    power: float | None
    lower: tuple[str, ...] = ()  # what the report on test rows calls lower, each with its figures
    lacking: tuple[str, ...] = ()  # labels that the champion can give and the candidate cannot
    later: bool = False  # whether the candidate learned a later version of the task

    @property
    def is_shown(self) -> bool:
        """Whether a loss of the margin is ruled out."""
        return self.margin >= 1 or (self.p is not None and self.p < ONE_SIDED)

    @property
    def is_too_small(self) -> bool:
        """Whether it is not ruled out, and the rows are too few to rule it out in most cases."""
        return not self.is_shown and (self.power is None or self.power < ENOUGH)

    @property
    def holds(self) -> bool:
        """Whether the candidate may answer in the champion's place."""
        return all(check.holds for check in self.checks())

    def checks(self, accepted: bool = False) -> Iterator[Check]:
        """Yield the bounds; what is broken holds if a person ``accepted`` the loss."""
        points, low, high = (
            None if value is None else 100 * value
            for value in (self.difference.mean, self.difference.low, self.difference.high)
        )
        interval = None if low is None or high is None else (low, high)
        granted = not self.is_too_small
        bound = -100 * self.margin if granted else 0.0
        whole = granted and self.margin < 1
        yield Check(BESIDE, "at least", bound, points, interval, whole, self._rows_in_words(), accepted)
        if self.lower:
            yield _none(CALLED, self.lower, accepted)
        if self.lacking:
            yield _none(LACKING, self.lacking, accepted)

    def sentence(self, candidate: str = "the candidate", champion: str = "the champion") -> str:
        """Return what was compared and what came out; the adapters are called as given."""
        first, second = (number(score) for score in self.scores)
        gap = _gap(self.difference)
        called = f"; lower on test rows: {'; '.join(self.lower)}" if self.lower else ""
        lacks = f"; it cannot give {', '.join(self.lacking)}" if self.lacking else ""
        compared = f"on {self._rows()}, {candidate} has {second} %, {champion} {first} %: {gap}"
        return f"{compared}{self._few()}{called}{lacks}"

    def _rows(self) -> str:
        return f"{plural(self.rows, 'validation row')} whose label both know"

    def _rows_in_words(self) -> str:
        first, second = (number(score) for score in self.scores)
        return f"{second} % on {self._rows()}, the champion {first} %{self._few()}"

    def _few(self) -> str:
        """Return that no margin is granted, and why; or that a loss is not ruled out; nothing where it is."""
        if self.is_shown:
            return ""
        loss = f"a loss of {100 * self.margin:g} points"
        if not self.is_too_small:
            return f"; {loss} is not ruled out"
        if self.difference.high is not None and self.difference.high < 0:
            return ""  # that it loses is shown, with however few rows
        power = "" if self.power is None else f" (power {100 * self.power:.0f} %)"
        so = "so none is allowed" if (self.difference.mean or 0.0) < 0 else "and nothing is lost on them"
        return f"; too few rows to rule out {loss}{power}, {so}"


def _none(what: str, items: tuple[str, ...], accepted: bool) -> Check:
    """Return the bound that there are no such things."""
    return Check(what, "at most", 0.0, float(len(items)), note="; ".join(items), accepted=accepted, listed=True)


def takeover_of(
    validation: JudgedRows,
    groups: Sequence[GroupComparison],
    labels: Sequence[LabelComparison],
    margin: float,
    later: bool,
    backwards: bool = False,
) -> Takeover | str:
    """Return a candidate beside the champion, of what both answer; or why it cannot be compared.

    Args:
        validation: rows of the later version, with both answers.
        groups: the comparisons on test rows.
        labels: those of single labels there.
        margin: points that may be lost.
        later: whether the candidate learned a later version of the task.
        backwards: whether the adapter that ``validation`` calls the champion is the candidate, since its version of the
            task is the earlier one.
    """
    known = validation.known
    sides = validation.champion_right[known], validation.candidate_right[known]
    champion, candidate = sides[::-1] if backwards else sides
    lacking = tuple(label.label for label in labels if label.champion is None) if backwards else ()
    titles = {} if later or backwards else {OLD: TITLES[ALL]}  # of one version, no row is newer than another
    lower = (*_lower_groups(groups, titles, backwards), *_lower_labels(labels, backwards))
    return _takeover(champion, candidate, margin, lower, lacking, later)


def compared_with(
    champion: Version,
    stored: StoredAdapter,
    workspace: Workspace,
    folders: Sequence[Path],
    margin: float = MARGIN,
    versions: VersionPair | None = None,
) -> Takeover | str:
    """Return an adapter beside a champion, asked where they were not asked before; or why they are not compared.

    They are compared if both answer the same task with the same data, or learned stored versions of one task.

    Args:
        champion: of the registered name.
        stored: the adapter.
        workspace: that has both.
        folders: of the person's own tasks.
        margin: points that may be lost.
        versions: that the champion and the adapter were trained on, in this order; None: they are read.
    """
    if champion.adapter is None or champion.adapter not in workspace.adapters:
        return f"{champion.adapter or 'the champion'} is not in this workspace"
    try:
        before = workspace.adapters.verify(champion.adapter)
        if champion.identity not in (None, before.identity):
            return f"{before.id} has other files here than when it was registered"
        if _have_versions(before, stored):
            return _by_versions(before, stored, workspace, folders, margin, versions)
        return _by_scores_of_rows(before, stored, workspace, folders, margin)
    except (InputError, WorkError) as error:  # data or a backbone that are not here, damaged files
        return f"{error.where}: {error.what}" if error.where else error.what


def _have_versions(champion: StoredAdapter, candidate: StoredAdapter) -> bool:
    first, second = champion.manifest.task, candidate.manifest.task
    same = first.name == second.name and {first.kind, second.kind} == {"classification"}
    return same and bool(first.fingerprint and second.fingerprint)


def _by_versions(
    champion: StoredAdapter,
    candidate: StoredAdapter,
    workspace: Workspace,
    folders: Sequence[Path],
    margin: float,
    versions: VersionPair | None,
) -> Takeover | str:
    from adapter_workbench.experiments.gating.candidate.by_label import compare_labels
    from adapter_workbench.experiments.gating.candidate.comparison import compare
    from adapter_workbench.experiments.gating.candidate.judged_rows import judged_rows
    from adapter_workbench.experiments.gating.candidate.versions import ASKED, is_later, version_pair

    backwards = versions is None and is_later(champion, candidate, folders)
    first, second = (candidate, champion) if backwards else (champion, candidate)
    versions = versions or version_pair(first, second, folders)
    rows = judged_rows(first, second, versions, ASKED, workspace.evaluations)
    labels = compare_labels(rows["test"], versions.labels, versions.known)
    later = not backwards and versions.names[0] != versions.names[1]
    return takeover_of(rows["validation"], compare(rows["test"]), labels, margin, later, backwards)


def _by_scores_of_rows(
    champion: StoredAdapter, candidate: StoredAdapter, workspace: Workspace, folders: Sequence[Path], margin: float
) -> Takeover | str:
    """Return the comparison of two adapters of any kind that answer the same rows, by the score of each row."""
    from adapter_workbench.experiments.answers.adapter_task import adapter_task
    from adapter_workbench.experiments.gating.candidate.versions import ASKED, INSTEAD, NEED
    from adapter_workbench.experiments.gating.validation_answers import same_questions

    if not same_questions(champion.manifest.task, candidate.manifest.task):
        return f"{candidate.id} answers for other data than {champion.id}"
    drawn = candidate if candidate.manifest.task.fingerprint else champion
    task = adapter_task(drawn, folders, NEED, INSTEAD)
    sides = [[_scores(adapter, task, split, workspace) for split in ASKED] for adapter in (champion, candidate)]
    (first, first_test), (second, second_test) = sides
    return _takeover(first, second, margin, tuple(_lower(first_test, second_test)), (), later=False)


def _scores(stored: StoredAdapter, task: Task, split: str, workspace: Workspace) -> Array:
    """Return the score of each row, (n,)."""
    from adapter_workbench.experiments.workspace.evaluating import answered
    from adapter_workbench.experiments.workspace.example_scores import score_column

    outcomes = answered(stored, task, split, workspace.evaluations)
    return outcomes[score_column(outcomes.columns)].to_numpy(dtype=np.float64)


def _takeover(
    champion: Array,
    candidate: Array,
    margin: float,
    lower: tuple[str, ...],
    lacking: tuple[str, ...],
    later: bool,
) -> Takeover | str:
    if not len(champion):
        return "no validation row has a label that both know"
    share = margin / 100
    outcome = Takeover(
        rows=len(champion),
        scores=(float(champion.mean()), float(candidate.mean())),
        difference=drop(candidate, champion),
        margin=share,
        p=chance_of_loss(champion, candidate, share) if share < 1 else None,
        power=None,
        lower=lower,
        lacking=lacking,
        later=later,
    )
    if outcome.is_shown or not share:
        return outcome
    return replace(outcome, power=power_to_rule_out(champion, candidate, share, ONE_SIDED))


def _lower_groups(groups: Sequence[GroupComparison], titles: Mapping[str, str], backwards: bool) -> Iterator[str]:
    word = "higher" if backwards else "lower"
    for group in groups:
        if group.verdict and group.verdict.word == word and group.champion and group.candidate and group.difference:
            scores = group.candidate.mean, group.champion.mean
            first, second = scores[::-1] if backwards else scores
            gap = _gap(group.difference, backwards)
            title = titles.get(group.name, group.title)
            yield f"{title} {number(first)} %, the champion {number(second)} %, {gap}"


def _lower_labels(labels: Sequence[LabelComparison], backwards: bool) -> Iterator[str]:
    word = "higher" if backwards else "lower"
    for label in labels:
        if label.verdict and label.verdict.word == word and label.difference:
            yield f"label {label.label} {_gap(label.difference, backwards)}"


def _gap(difference: Interval, backwards: bool = False) -> str:
    sign = -1 if backwards else 1
    mean = None if difference.mean is None else sign * difference.mean
    return f"{number(mean, signed=True)} points {bounds(difference, sign)}".rstrip()


def _lower(champion: Array, candidate: Array) -> Iterator[str]:
    p = chance_of_none(candidate, champion) if len(champion) else None
    if p is not None and p < LEVEL and candidate.mean() < champion.mean():
        scores = f"{number(float(candidate.mean()))} %, the champion {number(float(champion.mean()))} %"
        yield f"test rows {scores}, {_gap(drop(candidate, champion))}"
