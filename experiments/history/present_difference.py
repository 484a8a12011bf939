"""What people see of one experiment against another: what differs in their recipes and in their scores."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.history.runs import value_in_words
from adapter_workbench.experiments.reporting.cells import gap, over_examples, score, words
from adapter_workbench.experiments.reporting.differences import basis, legend, otherwise, shown_gap_in_words
from adapter_workbench.experiments.reporting.presentation import (
    Column,
    Medium,
    Paragraph,
    Presentation,
    Sentences,
    Table,
)
from adapter_workbench.experiments.reporting.wording import MOST_NAMED, begun, plural, unit
from adapter_workbench.experiments.studies.watched import STUDY as WATCHED
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.history.experiment_difference import ComparedExperiment, ExperimentDifference
    from adapter_workbench.experiments.history.recipe_settings import SettingDifference
    from adapter_workbench.experiments.reporting.contrast import Contrast
    from adapter_workbench.experiments.reporting.presentation import Block, Cell, Tracking

OWN = "Scores are means over all replications of their side, differences over those that both have."
EXPLORATORY = "No recipe asks for these differences: they are exploratory, and what stands out has to be tested anew."


def present(difference: ExperimentDifference) -> Presentation:
    """Return what people see of two experiments, in every medium but MLflow."""
    first, second = difference.first, difference.second
    return Presentation(
        experiment=f"{first.name} against {second.name}",
        tracked="",
        title="difference of two experiments",
        facts=tuple(_when_begun(side) for side in (first, second)),
        further=(),
        says="",
        verdict=_verdict(difference),
        complete=first.record.finished and second.record.finished,
        written=partial(_blocks, difference),
        document=lambda full: difference.as_json(),
        about="",
        tracking=_untracked,
        judged="What differs",
    )


def _untracked() -> Tracking:
    raise InputError("--log cannot be combined with --against", hint="MLflow holds experiments, not differences.")


def _when_begun(side: ComparedExperiment) -> str:
    started = side.record.provenance.get("started", "")
    state = "" if side.record.finished else ", not finished"
    return f"{side.called} was begun {started}{state}" if started else f"{side.called}{state}"


def _verdict(difference: ExperimentDifference) -> str:
    """Return how many settings differ, and what the first metric says of what both have."""
    number = len(difference.settings)
    settings = f"{plural(number, 'setting')} of the recipes {'differs' if number == 1 else 'differ'}."
    if not difference.contrasts:
        return f"{settings} {_why_no_scores(difference)}"
    metric = next(iter(next(iter(difference.contrasts.values()))))
    firsts = {label: metrics[metric] for label, metrics in difference.contrasts.items()}
    if len(firsts) <= MOST_NAMED:
        sentences = [_sentence(label, contrast) for label, contrast in firsts.items()]
    else:
        readings = Counter(
            contrast.difference.reading if contrast.difference else "not compared" for contrast in firsts.values()
        )
        sentences = [f"{', '.join(f'{times} {word}' for word, times in readings.most_common())}."]
    name = metric.replace("_", " ")
    return (
        f"{settings} {begun(name)}, {difference.first.called} against {difference.second.called}: {' '.join(sentences)}"
    )


def _why_no_scores(difference: ExperimentDifference) -> str:
    if difference.first.record.study == WATCHED.key:  # both are of one study
        return "A training that was watched has one seed, so its scores cannot be compared with those of another."
    return "Nothing stands in both under the same label, so no scores can be compared."


def _sentence(label: str, contrast: Contrast) -> str:
    if contrast.difference is None:
        return f"{label}: cannot be compared ({contrast.why})."
    return f"{label}: {shown_gap_in_words(contrast.difference, 'lower', 'higher', 'differences')}."


def _blocks(difference: ExperimentDifference) -> Iterator[Block]:
    if difference.settings:
        yield _settings("settings", "Settings that differ", difference.settings, difference)
    else:
        yield Paragraph("No setting that the records hold differs.", "quiet")
    for side in (difference.first, difference.second):
        if side.only:
            yield Paragraph(f"Only {side.called} has: {', '.join(side.only)}.", "quiet")
    for metric in dict.fromkeys(metric for metrics in difference.contrasts.values() for metric in metrics):
        yield from _metric(metric, difference)
    if difference.made:
        yield _settings("made-under", "Made under other circumstances", difference.made, difference)


def _settings(
    name: str, title: str, differences: tuple[SettingDifference, ...], difference: ExperimentDifference
) -> Table:
    columns = (Column("setting"), *(Column(side.called, left=True) for side in (difference.first, difference.second)))
    rows = [
        (
            words(pair.setting),
            words(value_in_words(pair.setting, pair.first)),
            words(value_in_words(pair.setting, pair.second)),
        )
        for pair in differences
    ]
    return Table(name, title, columns, rows)


def _metric(metric: str, difference: ExperimentDifference) -> Iterator[Block]:
    contrasts = {label: metrics[metric] for label, metrics in difference.contrasts.items() if metric in metrics}
    differences = [contrast.difference for contrast in contrasts.values() if contrast.difference]
    name, called = metric.replace("_", " "), (difference.first.called, difference.second.called)
    scale = unit(difference.first.record.about.get("kinds") or {})
    yield Table(
        f"difference-{metric.replace('_', '-')}",
        f"Difference in {name}",
        (
            Column("what both have"),
            *(Column(side) for side in called),
            Column("difference"),
            Column("over examples", media=Medium.PAGE),
            Column("paired", media=Medium.PAGE),
        ),
        [_row(label, contrast) for label, contrast in contrasts.items()],
        note=f"{scale.title}; {called[0]} − {called[1]} in points, paired by seed and order, with the 95 % interval of "
        f"this difference alone, and p. Higher or lower where {basis(differences)}, else {otherwise(differences)}. "
        f"{EXPLORATORY}",
        short=f"{begun(name)}, {scale.words}; difference in points",
    )
    if any(map(_has_others, contrasts.values())):
        yield Paragraph(OWN, "quiet")
    if differences:
        yield Paragraph(legend(differences), "quiet", Medium.TERMINAL)
    if reasons := [*_not_compared(contrasts)]:
        yield Sentences(reasons, Medium.ANY)


def _row(label: str, contrast: Contrast) -> tuple[Cell, ...]:
    paired = plural(contrast.replications, "replication") if contrast.replications else contrast.why
    return (
        words(label),
        score(contrast.first),
        score(contrast.second),
        gap(contrast.difference, contrast.better),
        over_examples(contrast.difference),
        words(paired),
    )


def _has_others(contrast: Contrast) -> bool:
    """Return whether a side has replications that the difference is not taken over, so that it is not their scores'."""
    if contrast.difference is None:
        return False
    return any(len(side.values) > contrast.replications for side in (contrast.first, contrast.second))


def _not_compared(contrasts: Mapping[str, Contrast]) -> Iterator[str]:
    """Yield why scores are not paired, and which problems a difference leaves out; the same for several at once."""
    labels_of: dict[str, list[str]] = {}
    for label, contrast in contrasts.items():
        if contrast.why:
            labels_of.setdefault(f"no difference: {contrast.why}", []).append(label)
        for problem, why in contrast.left_out.items():
            if problem and contrast.difference:
                labels_of.setdefault(f"without {problem}: {why}", []).append(label)
    yield from (f"{', '.join(labels)}: {reason}." for reason, labels in labels_of.items())
