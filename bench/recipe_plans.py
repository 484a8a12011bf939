"""What the referee's checklist asks of a recipe before anything of it is trained, answered from the file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.recipes import MARGIN, RECIPES
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.studies.core.checklist import CONTROL, FROZEN, GRID, ONE_THING, SEEDS, TEST, Answer
from adapter_workbench.experiments.studies.stream.results.facts import FROZEN_HEADS
from adapter_workbench.workbench.settings.base import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.workbench.settings.base import Document

NAMES = {  # key of entries → the words that name what an entry is, but for its settings
    "strategies": ("strategy", "method"),
    "methods": ("method",),
    "routers": ("router",),
    "joint": ("method",),
    "compositions": ("method",),
    "updates": ("way", "method"),
}
LEAST_SEEDS = 3


def plans() -> Iterator[tuple[str, tuple[Answer, ...]]]:
    """Yield each shipped recipe with its answers; one of repairs compares with doing nothing, and has no entries."""
    for name in RECIPES.names():
        document = read(RECIPES.path(name))
        if "repair" not in document.data:
            yield name, tuple(answers(document))


def answers(document: Document) -> Iterator[Answer]:
    """Yield the answers that a recipe gives."""
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
