"""What people see of one experiment against another: what differs in their recipes, and what that came to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from experiments.history.runs import said
from experiments.reporting.cells import gap, over_examples, score, words
from experiments.reporting.differences import SAME, basis, gap_in_words, legend
from experiments.reporting.presentation import Column, Medium, Paragraph, Presentation, Sentences, Table
from experiments.reporting.wording import MOST_NAMED, plural, unit
from workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.history.against import Against, Side
    from experiments.history.recipe_settings import Differing
    from experiments.reporting.contrast import Contrast
    from experiments.reporting.presentation import Block, Cell, Tracking

EXPLORATORY = "No recipe asks for these differences: they are exploratory, and what stands out has to be tested anew."


def present(found: Against) -> Presentation:
    """Return what people see of two experiments, in every medium but MLflow."""
    first, second = found.first, found.second
    return Presentation(
        experiment=f"{first.name} against {second.name}",
        tracked="",
        title="difference of two experiments",
        facts=tuple(_described(side) for side in (first, second)),
        further=(),
        says="",
        verdict=_verdict(found),
        complete=first.record.finished and second.record.finished,
        blocks=tuple(_blocks(found)),
        document=lambda full: found.as_json(),
        about="",
        tracking=_untracked,
        judged="What differs",
    )


def _untracked() -> Tracking:
    raise InputError("MLflow holds experiments, not differences of two", where="--log")


def _described(side: Side) -> str:
    started = side.record.provenance.get("started", "")
    state = "" if side.record.finished else ", not finished"
    return f"{side.called} was begun {started}{state}" if started else f"{side.called}{state}"


def _verdict(found: Against) -> str:
    """Return how many settings differ, and what the first metric says of what both have."""
    number = len(found.settings)
    settings = f"{plural(number, 'setting')} of the recipes {'differs' if number == 1 else 'differ'}."
    if not found.contrasts:
        return f"{settings} Nothing stands in both under the same label, so no scores can be compared."
    metric = next(iter(next(iter(found.contrasts.values()))))
    firsts = {label: one[metric] for label, one in found.contrasts.items()}
    if len(firsts) <= MOST_NAMED:
        told = [_sentence(label, one) for label, one in firsts.items()]
    else:
        readings = Counter(one.difference.reading if one.difference else "not compared" for one in firsts.values())
        told = [f"{', '.join(f'{times} {word}' for word, times in readings.most_common())}."]
    name = metric.replace("_", " ")
    return (
        f"{settings} {name[:1].upper()}{name[1:]}, {found.first.called} against {found.second.called}: {' '.join(told)}"
    )


def _sentence(label: str, one: Contrast) -> str:
    if one.difference is None:
        return f"{label}: cannot be compared ({one.why})."
    return f"{label}: {gap_in_words(one.difference, 'lower', 'higher', 'differences')}."


def _blocks(found: Against) -> Iterator[Block]:
    if found.settings:
        yield _settings("settings", "Settings that differ", found.settings, found)
    else:
        yield Paragraph("No setting that the records hold differs.", "quiet")
    for side in (found.first, found.second):
        if side.only:
            yield Paragraph(f"Only {side.called} has: {', '.join(side.only)}.", "quiet")
    for metric in dict.fromkeys(metric for one in found.contrasts.values() for metric in one):
        yield from _metric(metric, found)
    if found.made:
        yield _settings("made-under", "Made under other circumstances", found.made, found)


def _settings(name: str, title: str, differing: tuple[Differing, ...], found: Against) -> Table:
    columns = (Column("setting"), *(Column(side.called, left=True) for side in (found.first, found.second)))
    rows = [
        (words(one.setting), words(said(one.setting, one.first)), words(said(one.setting, one.second)))
        for one in differing
    ]
    return Table(name, title, columns, rows)


def _metric(metric: str, found: Against) -> Iterator[Block]:
    contrasts = {label: one[metric] for label, one in found.contrasts.items() if metric in one}
    differences = [one.difference for one in contrasts.values() if one.difference]
    name, called = metric.replace("_", " "), (found.first.called, found.second.called)
    scale = unit(found.first.record.about.get("kinds") or {})
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
        [_row(label, one) for label, one in contrasts.items()],
        note=f"{scale.title}; {called[0]} − {called[1]} in points, paired by seed and order, with the 95 % interval of "
        f"this difference alone, and p. Higher or lower where {basis(differences)}, else {SAME}. {EXPLORATORY}",
        short=f"{name[:1].upper()}{name[1:]}, {scale.words}; difference in points",
    )
    if differences:
        yield Paragraph(legend(differences), "quiet", Medium.TERMINAL)
    if told := [*_not_compared(contrasts)]:
        yield Sentences(told, Medium.ANY)


def _row(label: str, one: Contrast) -> tuple[Cell, ...]:
    paired = plural(one.replications, "replication") if one.replications else one.why
    return (
        words(label),
        score(one.first),
        score(one.second),
        gap(one.difference, one.better),
        over_examples(one.difference),
        words(paired),
    )


def _not_compared(contrasts: Mapping[str, Contrast]) -> Iterator[str]:
    """Yield why scores are not paired, and which problems a difference leaves out; the same for several at once."""
    told: dict[str, list[str]] = {}
    for label, one in contrasts.items():
        if one.why:
            told.setdefault(f"no difference: {one.why}", []).append(label)
        for problem, why in one.left_out.items():
            if problem and one.difference:
                told.setdefault(f"without {problem}: {why}", []).append(label)
    yield from (f"{', '.join(labels)}: {what}." for what, labels in told.items())
