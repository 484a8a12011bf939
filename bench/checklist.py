"""Does each shipped recipe, and each stored report, pass the referee's checklist, and how much is undecided?

    python -m bench.checklist
    python -m bench.checklist docs/results/remedies.json
    python -m bench.checklist my-experiment --workspace my-workspace

Without a name it answers for all shipped recipes, from the files, and for all reports in docs/results; else for files
of `workbench report --json`, or experiments of a workspace. What does not pass is listed, with the reason if it is
known. The exit code is 1 where something does not pass that is not known. It trains nothing and opens no model.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.engine.recipes import MARGIN, RECIPES
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.studies import checked, report_of
from adapter_workbench.experiments.studies.core.checklist import CONTROL, FROZEN, GRID, ONE_THING, SEEDS, TEST, Answer
from adapter_workbench.experiments.studies.stream.results.facts import FROZEN_HEADS
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.workbench.settings.base import read
from bench import program
from bench.checklist_exceptions import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter_workbench.experiments.studies.core.checklist import Checked
    from adapter_workbench.workbench.settings.base import Document

RESULTS = Path(__file__).parents[1] / "docs" / "results"
WORDS = {True: "yes", False: "NO", None: "–"}
DECIDED = ("higher", "lower", "equal")
NAMES = {  # key of entries → the words that name what an entry is, but for its settings
    "strategies": ("strategy", "method"),
    "methods": ("method",),
    "routers": ("router",),
    "joint": ("method",),
    "compositions": ("method",),
    "updates": ("way", "method"),
}
LEAST_SEEDS = 3


def stored(folder: Path = RESULTS) -> Iterator[tuple[str, Checked]]:
    """Yield each report in a folder of JSON files, by its file's name; files of other programs are left out."""
    for path in sorted(folder.glob("*.json")):
        if report := _checked(path):
            yield path.name, report


def failing(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers that are no."""
    return [answer for answer in answers if answer.holds is False]


def unknown(name: str, answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers that are no, without those whose reason is known."""
    return [answer for answer in failing(answers) if answer.question not in KNOWN.get(name, {})]


def passed(name: str, answers: Iterable[Answer]) -> list[str]:
    """Return the questions that are listed as not passed, and pass."""
    failed = [answer.question for answer in failing(answers)]
    return [question for question in KNOWN.get(name, {}) if question not in failed]


def exceptions() -> list[str]:
    """Return the rows of the page's table: what does not pass, question by question."""
    return [f"| `{name}` | {question} | {reason} |" for name, of in KNOWN.items() for question, reason in of.items()]


def readings(reports: Iterable[Checked], main: bool) -> dict[str, int]:
    """Return reading → how many planned comparisons have it, in the metric of the verdict (``main``) or in all."""
    comparisons = (comparison for report in reports for comparison in report.facts.comparisons)
    return dict(Counter(comparison.reading for comparison in comparisons if comparison.main or not main))


def share_undecided(counts: Mapping[str, int]) -> str:
    """Return ``127 of 155 undecided (82 %)``; what was not measured, or has one seed, is not counted."""
    undecided = counts.get("undecided", 0)
    tested = undecided + sum(counts.get(word, 0) for word in DECIDED)
    share = f" ({100 * undecided / tested:.0f} %)" if tested else ""
    words = ", ".join(f"{counts[word]} {word}" for word in DECIDED if counts.get(word))
    return f"{undecided} of {tested} undecided{share}; {words or 'none decided'}"


def plans() -> Iterator[tuple[str, tuple[Answer, ...]]]:
    """Yield each shipped recipe with its answers; one of repairs compares with doing nothing, and has no entries."""
    for name in RECIPES.names():
        document = read(RECIPES.path(name))
        if "repair" not in document.data:
            yield name, tuple(plan_answers(document))


def plan_answers(document: Document) -> Iterator[Answer]:
    """Yield what the checklist asks of a recipe before anything of it is trained, answered from the file alone."""
    entries = {
        label: {word: entry.get(word, label) for word in words} | {"against": entry.get("against")}
        for key, words in NAMES.items()
        for label, entry in document.entries(key).items()
    }
    reference = document.text("reference") or _default_reference(document) or ""
    controls: dict[str, str] = {
        label: entry["against"] or reference for label, entry in entries.items() if label != reference
    }
    yield Answer(CONTROL, all(controls.values()), f"{len(controls)} entries; the reference is {reference}.")
    several = [label for label, control in controls.items() if len(_unlike(entries[label], entries.get(control))) > 1]
    yield Answer(ONE_THING, not several, f"In two things: {', '.join(several) or 'none'}.")
    if streams := document.entries("strategies"):
        heads = [label for label in streams if (entries[label]["strategy"], entries[label]["method"]) in FROZEN_HEADS]
        yield Answer(FROZEN, bool(heads), f"A head alone: {', '.join(heads) or 'none'}.")
    tune = document.data.get("tune")
    yield Answer(GRID, None if not tune else tune > 1, f"tune: {tune or 0}; a grid of two or more is widened.")
    test, margin = document.data.get("test", "paired"), document.data.get("margin", MARGIN)
    yield Answer(TEST, True, f"{test}; margin {margin:g} points.")
    seeds = len(document.data.get("seeds", [0]))
    yield Answer(SEEDS, seeds >= LEAST_SEEDS, f"{plural(seeds, 'seed')}.")


def main(
    reports: Annotated[list[str] | None, typer.Argument(help="Files, or experiments of the workspace.")] = None,
    workspace: program.Workspace = None,
) -> None:
    """Answer the checklist, and count what is undecided."""
    checklists = [(name, _named(name, workspace)) for name in reports] if reports else [*stored()]
    asked: list[tuple[str, tuple[Answer, ...]]] = [(name, report.answers) for name, report in checklists]
    asked = [*asked, *([] if reports else plans())]
    for name, answers in asked:
        typer.echo(f"{name}: yes to {sum(answer.holds is True for answer in answers)} of {len(answers)}")
        for answer in answers if reports else failing(answers):
            reason = KNOWN.get(name, {}).get(answer.question, "") if answer.holds is False else ""
            typer.echo(f"  {WORDS[answer.holds]:4}{answer.question} {reason or answer.answer}")
        for question in passed(name, answers):
            typer.echo(f"  passes now, take it from the list of exceptions: {question}")
    for title, main_metric in (("In the metric of the verdict", True), ("In all metrics", False)):
        typer.echo(f"{title}: {share_undecided(readings((report for _, report in checklists), main_metric))}")
    raise typer.Exit(any(unknown(name, answers) for name, answers in asked))


def _named(name: str, workspace: Path | None) -> Checked:
    """Return a report by its file, or by its experiment's name."""
    path = Path(name)
    report = _checked(path) if path.is_file() else checked(report_of(find_workspace(workspace), name).as_json())
    if not report:
        raise typer.BadParameter(f"{name} is no report that has a checklist")
    return report


def _checked(path: Path) -> Checked | None:
    document: Any = json.loads(path.read_text(encoding="utf-8"))
    return checked(document) if isinstance(document, dict) else None


def _unlike(ours: dict[str, str], theirs: dict[str, str] | None) -> list[str]:
    """Return in which words two entries differ; of entries under several keys, in being other things."""
    if theirs is None or ours.keys() != theirs.keys():
        return []
    return [word for word, name in ours.items() if word != "against" and theirs[word] != name]


def _default_reference(document: Document) -> str | None:
    """Return what is compared with where a recipe does not say it: the fresh adapter, or the first entry."""
    if "compositions" in document.data:
        return f"fresh {document.labels('sources', 'methods')[0]}"
    return next((label for key in ("joint", "methods", "routers", "updates") for label in document.labels(key)), None)


if __name__ == "__main__":
    typer.run(main)
