"""What people see of a comparison of compositions: verdict, tables, figures, sources, MLflow runs.

In MLflow: one parent, and one child for each entry; K is the step. Numbers are means over targets and seeds: they are
logged when all of those are there, and never change.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.cells import UNKNOWN, gap, over_examples, quantity, words
from adapter_workbench.experiments.reporting.collapses import worst_seed
from adapter_workbench.experiments.reporting.differences import basis, by_which_test, tested_over
from adapter_workbench.experiments.reporting.equality import not_equal
from adapter_workbench.experiments.reporting.presentation import (
    Cell,
    Column,
    Figure,
    Medium,
    Paragraph,
    Table,
    Tracking,
)
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import DASH, count, number, plural, settings
from adapter_workbench.experiments.studies.compositions.report import COST, ENTRY, SCORE, SCORES, SECONDS
from adapter_workbench.experiments.studies.core.closing import closing
from adapter_workbench.experiments.studies.core.compare import at_look, compared_in_words, difference_of, differences
from adapter_workbench.experiments.studies.core.data_sources import used
from adapter_workbench.experiments.studies.core.quantity import points, shown_in
from adapter_workbench.experiments.studies.core.track import child, in_short, parent, with_bounds
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name, plain_name
from adapter_workbench.workbench.mlflow.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.experiments.reporting.adapter_run import Point
    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.compositions.record import FusionRecord
    from adapter_workbench.experiments.studies.compositions.report import FusionReport, FusionRow, Speed
    from adapter_workbench.workbench.mlflow.run_record import RunRecord


def present(report: FusionReport) -> Presentation:
    """Return what people see of a report on compositions."""
    record = report.record
    targets = plural(len(record.targets), "target")
    facts = (targets, f"K = {', '.join(map(str, record.shots))}", plural(len(record.seeds), "seed"))
    note, further, tracked = experiment_note(record), (", ".join(record.targets),), experiment_of(record)
    words = {"verdict": " ".join(report.headline), "listed": report.of_each}
    return report.presented("fusion report", facts, _blocks, tracking, note, further, tracked=tracked, **words)


def _without_examples(record: FusionRecord) -> Iterator[Paragraph]:
    """Say what has no score with K = 0, and why."""
    if 0 in record.shots:
        learning = f": {', '.join(record.needs_examples)}" if record.needs_examples else ""
        sentence = (
            "K = 0: there is nothing to learn from, so what learns from examples of a target has no score"
            f"{learning}. A fresh adapter is the bare backbone. Nothing validates, so nothing is picked."
        )
        among = " The one score of a row, and its difference, are over the other K." if record.overall != (0,) else ""
        yield Paragraph(sentence + among, "quiet")


def _blocks(report: FusionReport) -> Iterator[Block]:
    record = report.record
    yield scores_table(report)
    yield from below_differences(report.declared, "the mean score", report.record.verdicts_after)
    for row in ranked(report):
        if row.chosen:
            taken = ", ".join(f"{label} {times}×" for label, times in row.chosen.items())
            yield Paragraph(f"{row.label} took {taken}.", "quiet", Medium.PAGE)
    yield from _without_examples(record)
    if report.retained:
        yield retention_table(report)
    yield from trained_elsewhere(record.sources)
    if report.speeds:
        yield speeds_table(report)
    yield not_equal(report.unequal, record.reference, report.controls)
    yield from figures(report)
    yield sources_table(report)
    budgets = record.budgets.items()
    shown = [(f"budget, K = {shots}", settings(used(budget, record.precision))) for shots, budget in budgets]
    yield from closing(report, shown, compared=0)  # what was not equal stands further up


ENTRY_COLUMN = Column("entry")


def ranked(report: FusionReport) -> list[FusionRow]:
    """Return the rows with a score, best first; what validation picks stands on top."""
    rows = [row for row in report.rows if row.score(report.overall) is not None]
    return sorted(rows, key=lambda row: (row.role != "pick", -(row.score(report.overall) or 0)))


def scores_table(report: FusionReport) -> Table:
    """Return scores by K and by target, and the gain over the reference."""
    record, overall, page = report.record, report.overall, Medium.PAGE
    keys = [*map(str, record.shots)]
    targets = record.targets if len(record.targets) > 1 else ()
    return table(
        "scores",
        "Test scores",
        ranked(report),
        [
            Shown(
                ENTRY_COLUMN,
                lambda row: words(row.label, " · ".join(part for part in (row.role, row.entry.family) if part)),
            ),
            *(Shown(Column(f"K = {key}", short=key), partial(_score, key)) for key in keys),
            *(Shown(Column(target, media=page), partial(_on_target, overall, target)) for target in targets),
            *([Shown(Column("all"), partial(_score, overall))] if overall == "all" else []),
            *_minus(report),
            *at_look(record.verdicts_after, difference_of),
            Shown(Column("over examples", media=page), lambda row: over_examples(row.difference)),
            *_overall(report, "scores"),
        ],
        note="Percent, mean over targets and seeds; the difference from "
        f"{compared_in_words(record.reference, report.controls)} in points, with the 95 % interval of this difference "
        f"alone and p{by_which_test(report.declared.values())}, and with that over test examples alone "
        "(bootstrap). Higher or lower where "
        f"{basis(report.declared.values())}. Nothing was selected on a test split.",
        short="Test score by K, percent, mean over targets and seeds",
    )


def _score(group: str, row: FusionRow) -> Cell:
    own = row.with_shots(group)
    cell, worst = SCORE.cell(own), worst_seed(own.over(lambda of: of.score))
    return replace(cell, notes=(*cell.notes, worst)) if worst else cell


def _on_target(group: str, target: str, row: FusionRow) -> Cell:
    return quantity(row.on_target(group, target))


def _overall(report: FusionReport, name: str) -> list[Shown[FusionRow]]:
    """Return the columns of quantities over everything."""
    return shown_in(name, (part.of(lambda row: row.with_shots(report.overall)) for part in ENTRY))


def _minus(report: FusionReport) -> list[Shown[FusionRow]]:
    reference = report.record.reference
    return differences(reference, report.controls, _gain)


def _gain(row: FusionRow) -> Cell:
    return gap(row.difference) if row.against else words("", badge="reference")


def summary_table(report: FusionReport) -> Table:
    """Return the table that a description has room for."""
    columns = [Shown(ENTRY_COLUMN, _label), *_overall(report, "summary"), *_minus(report)]
    return table("summary", "", ranked(report), columns)


def _label(row: FusionRow) -> Cell:
    return words(row.label)


def retention_table(report: FusionReport) -> Table:
    """Return what a composed adapter still knows of its sources' own tasks, below the sources of its family alone."""
    tasks = list(dict.fromkeys(kept.task for kept in report.retained))
    families = {row.label: row.entry.family for row in report.rows}
    labels: dict[str, list[str]] = {}
    for label in dict.fromkeys(kept.label for kept in report.retained):
        labels.setdefault(families[label], []).append(label)
    fused = {(kept.label, kept.task): quantity(kept.fused) for kept in report.retained}
    alone = {(families[kept.label], kept.task): quantity(kept.alone) for kept in report.retained}
    rows = []
    for family, composed in labels.items():
        first = f"the source alone, {family}" if len(labels) > 1 else "the source alone"
        rows.append({"": words(first), **{task: alone.get((family, task), UNKNOWN) for task in tasks}})
        rows += [
            {"": words(label), **{task: fused.get((label, task), UNKNOWN) for task in tasks}} for label in composed
        ]
    return table(
        "kept",
        "What is kept of the sources' own tasks",
        rows,
        [Shown(Column(head), itemgetter(head)) for head in ("", *tasks)],
        note="Test score of the composed body under each source's own head, percent.",
        short="What the composed adapter still knows of the sources' own tasks, under their own heads, percent",
    )


def speeds_table(report: FusionReport) -> Table:
    """Return how soon entries are as good on validation as the reference ends."""
    reference = report.record.reference
    return table(
        "speed",
        f"How soon they are as good as {reference}",
        report.speeds,
        [
            Shown(ENTRY_COLUMN, lambda speed: words(speed.label)),
            Shown(Column("within a third"), _within_a_third),
            Shown(Column("places"), lambda speed: quantity(len(speed.shares), count)),
        ],
        note=f"Steps until the validation score reaches the one that {reference} ends with, as a share of its steps: "
        "how often a third was enough.",
        media=Medium.PAGE,
    )


def _within_a_third(speed: Speed) -> Cell:
    return Cell(f"{number(speed.within_a_third)} %", speed.within_a_third)


def trained_elsewhere(sources: Sequence[Mapping[str, Any]]) -> Iterator[Paragraph]:
    """Yield which sources another program trained, if any: on which rows is not known."""
    if names := dict.fromkeys(str(source["adapter"]) for source in sources if "elsewhere" in source):
        sentence = f"Trained elsewhere: {', '.join(names)}. Test rows may have been among what they were trained on."
        yield Paragraph(sentence, "warning")


def sources_table(report: FusionReport) -> Table:
    """Return the adapters that were composed."""

    def source_cell(name: str, source: Mapping[str, Any]) -> Cell:
        return words(DASH if source[name] is None else source[name])

    columns = [
        *(
            Shown(Column(name, left=name in ("task", "method")), partial(source_cell, name))
            for name in ("adapter", "task", "method", "seed")
        ),
        Shown(Column("validation"), lambda source: quantity(source["validation"])),
    ]
    return table("sources", "Sources", report.record.sources, columns, media=Medium.PAGE)


FIRST = "Score"  # the section of MLflow's charts that comes first, of which it writes the points itself
SINGLE = "fuse"  # the experiment that holds every single fuse, a run each


def experiment_of(record: FusionRecord) -> str:
    """Return the MLflow experiment that a comparison belongs to."""
    return SINGLE if record.single else record.experiment


def tracking(report: FusionReport) -> Tracking:
    """Return what MLflow should hold of ``report``."""
    record, own, whole = report.record, report.row(report.record.reference), report.complete
    metrics = _points(record, own) if record.single and own else _summary(report)
    run = parent(
        report,
        tags={"sources": ", ".join(sorted({str(source["adapter"]) for source in record.sources}))},
        params={"targets": ", ".join(record.targets), "shots": ", ".join(map(str, record.shots))},
        metrics=metrics if whole else (),
        children=(_child(row, whole, record) for row in report.rows),
        view=View(("label", "role", "method"), ("score", "gain"), ("score",)),
        title="" if record.single else _title(report),
    )
    return Tracking(run, summary_table(report), (_below(report),))


def _title(report: FusionReport) -> str:
    """Return the scores of the first rows, with the most labelled examples."""
    most = str(max(report.record.shots))
    return in_short((row.label, row.score(most)) for row in report.rows)


def _below(report: FusionReport) -> str:
    """Return what the numbers of the summary are; with one seed there is no interval over seeds."""
    over = tested_over(report.declared.values())
    return f"Test score in percent, differences in points with the paired 95 % interval over {over}."


def experiment_note(record: FusionRecord) -> str:
    """Return the experiment's description in Markdown, the same for all its runs."""
    if record.single:
        return "Adapters made of others by `workbench fuse`: a run each, its entries below it."
    return (
        f"Compositions for {escape(', '.join(record.targets))} on {escape(record.backbone)}. Each run is one"
        " comparison: its description holds the verdict, its artifacts the report. Below it is a run for each"
        " entry, whose metrics have K, the number of labelled examples, as their step."
    )


def _child(row: FusionRow, whole: bool, record: FusionRecord) -> RunRecord:
    own, points = {"role": row.role, "method": row.entry.method}, _points(record, row) if whole else ()
    took = [value for group in record.shot_groups if (value := SECONDS.number(row.with_shots(group))) is not None]
    params, seconds = {"label": row.label, **own}, sum(took) if whole and took else None
    return child(record, row.label, own, params, points, record.targets, finished=whole, seconds=seconds)


def _points(record: FusionRecord, row: FusionRow) -> Iterator[Point]:
    """Yield an entry's numbers; the step is K."""
    for shots in record.shots:
        group, part = str(shots), row.with_shots(str(shots))
        yield from points(SCORES, part, shots)
        for target in record.targets:
            yield metric_name("score", target), row.on_target(group, target), shots
        if gain := row.differences.get(group):
            for name, value in with_bounds("gain", gain.shown).items():
                yield name, value, shots
        yield from points(COST, part, shots)


def _summary(report: FusionReport) -> Iterator[Point]:
    """Yield each entry's score and gain under its own name; the step is K."""
    for row in report.rows:
        for shots in report.record.shots:
            score, gain = row.score(str(shots)), row.differences.get(str(shots))
            yield metric_name("score", row.label), score, shots
            yield metric_name("gain", row.label), gain.seeds.mean if gain else None, shots
            yield metric_name(FIRST, row.label), score, shots


CAPTIONS = {
    "gains": "Difference in test score over all targets, K and seeds; green lies above what it is compared with, "
    "orange below, grey neither.",
    "scores-by-shots": "Mean over targets and seeds. Dashed: not composed.",
    "diagnostics": "What was known of the sources before they were composed (first seed). Each pair stands beside what "
    "chance gives.",
    "weights": "What each source came to weigh, mean over all fits.",
    "details": "What each layer gives each source, mean over all fits.",
}


def figures(report: FusionReport) -> Iterator[Figure]:
    """Yield every figure; those without data draw nothing."""
    if not report.rows:
        return
    yield _figure("gains", "", "Gains", report)
    if len(report.record.shots) > 1:
        yield _figure("scores-by-shots", "", "Scores by number of examples", report)
    for seed_and_family, document in list(report.record.diagnostics.items())[:1]:
        yield _figure(
            "diagnostics", "-".join(map(plain_name, seed_and_family.split("/"))), "Before composing", document
        )
    for row in report.rows:
        if row.role == "composition":
            yield from _learned(report, row)


def _learned(report: FusionReport, row: FusionRow) -> Iterator[Figure]:
    """Yield the weights and the attention of an entry that has learned some."""
    sources = report.record.sources
    all_names = (str(source["task"]) for source in sources if source["method"] == row.entry.family)
    names = list(dict.fromkeys(report.made_of.get(row.label) or all_names))
    details = dict(report.details.get(row.label, {}))
    weights = details.pop("weights", None)
    label = plain_name(row.label)
    if weights and len(weights) == len(names) and len(set(weights)) > 1:
        yield _figure("weights", label, f"Weights of {row.label}", dict(zip(names, weights, strict=True)))
    if details and all(len(values) == len(names) for values in details.values()):
        yield _figure("details", label, f"Layer by layer: {row.label}", details, names)


def _figure(kind: str, name: str, title: str, *given: Any) -> Figure:
    caption = CAPTIONS[kind]
    whole = f"{kind}-{name}" if name else kind
    return Figure(whole, title, caption, f"{title}. {caption}", partial(_draw, kind, *given))


def _draw(kind: str, *given: Any) -> Drawing | None:
    from adapter_workbench.experiments.studies.compositions import figures as drawn  # matplotlib takes a while

    draw: dict[str, Any] = {
        "gains": drawn.gains,
        "scores-by-shots": drawn.scores_by_shots,
        "diagnostics": drawn.diagnostics_map,
        "weights": drawn.weight_bars,
        "details": drawn.attention_map,
    }
    drawing: Drawing | None = draw[kind](*given)
    return drawing
