"""How many entries a registry has is nowhere typed: a new method changes no page because of its count.

The generated reference counts them (``docs/hooks/reference.py``). Pages of ``docs/evidence`` and ``docs/results`` are
not read: what they count was compared on a date, and stays as it was. Elsewhere a number before the name of a registry
is a typed count where it is the size of that registry, or so large that nothing else can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_workbench.experiments.arrivals import ARRIVALS
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.repair.recipe import all_repairs
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.ranking import RANKINGS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import BACKBONES
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.probes import PROBES
from tests.commands import FENCED
from tests.modules import ROOT, house

SIZES = {
    "methods": {len(METHODS.names())},
    "compositions": {len(COMPOSITIONS.names())},
    "strategies": {len(STRATEGIES.names())},
    "recipes": {len(RECIPES.names())},
    "scenarios": {len([*SCENARIOS.names(), *ARRIVALS.names()])},
    "ways": {len(WAYS.names())},
    "probes": {len(PROBES.names())},
    "repairs": {len(REPAIRS.names()), len(all_repairs())},
    "routers": {len(ROUTERS.names())},
    "rankings": {len(RANKINGS.names())},
    "backbones": {len(BACKBONES.names())},
    "tasks": {len(registry.names())},
    "kinds": {len(KINDS.names())},
}
FEWEST = 5  # "two backbones" are two of many
MOST = 12  # entries that are compared somewhere else than in the evidence
OF_MANY = {"tasks", "ways", "kinds"}  # words for much else: only the very size is a count
NOUN = (
    "|".join(SIZES)
    .replace("ways", r"ways(?=\s+to\s+update|\]\(\S*updating)")
    .replace("kinds", r"kinds(?=\s+of\s+task)")
)
RESULTS = ("evidence", "results")
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {
    **{word: number for number, word in enumerate(SMALL)},
    **{
        f"{ten}-{one}" if rest else ten: 10 * place + rest
        for place, ten in enumerate(TENS, 2)
        for rest, one in enumerate(SMALL[:10])
    },
    "hundred": 100,
}
NUMBER = rf"(?<![\w.,:/#-])(\d+|{'|'.join(sorted(WORDS, key=len, reverse=True))})"
BETWEEN = rf"(?:\s+(?!(?:of|{'|'.join(WORDS)})\b)[a-z][a-z-]*){{0,2}}?"
COUNTED = re.compile(rf"{NUMBER}{BETWEEN}\s+({NOUN})\b", re.IGNORECASE)
IN_A_TABLE = re.compile(rf"^\| ({'|'.join(SIZES)})[a-z ]*\| (\d+)\b", re.MULTILINE)
QUOTED = re.compile(r'"[^"\n]*"')  # another program's words about itself
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "mkdocs.yml")),
    *(
        path
        for ending in ("md", "ipynb")
        for path in sorted((ROOT / "docs").rglob(f"*.{ending}"))
        if path.relative_to(ROOT / "docs").parts[0] not in RESULTS
    ),
]


def typed(text: str) -> Iterator[str]:
    """Yield the counts of registries in a text."""
    counts = [(match[0], match[1], match[2]) for match in COUNTED.finditer(text)]
    counts += [(match[0], match[2], match[1]) for match in IN_A_TABLE.finditer(text)]
    for words, count, noun in counts:
        number = WORDS[count.lower()] if count.lower() in WORDS else int(count)
        is_size = number >= FEWEST and number in SIZES[noun.lower()]
        if is_size or (number > MOST and noun.lower() not in OF_MANY):
            yield " ".join(words.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_counts_the_entries_of_a_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not [*typed(QUOTED.sub("", FENCED.sub("", text)) if page.suffix == ".md" else text)], (
        "drop the count, or generate it"
    )


def test_no_docstring_and_no_help_text_does() -> None:
    counts = {path: [*typed(path.read_text(encoding="utf-8"))] for path in house()}
    assert not {path: found for path, found in counts.items() if found}


@pytest.mark.parametrize(
    "text",
    [
        f"There are {len(METHODS.names())} methods.",
        f"{len(STRATEGIES.names())} further strategies",
        f"all {len(COMPOSITIONS.names())}\ncompositions",
        f"| recipes | {len(RECIPES.names())}, and your own |",
        f"in one of {len(WAYS.names())} ways to update",
        f"[{len(WAYS.names())} ways](../how-to/updating.md)",
        "Forty-eight fine-tuning methods",
        "a hundred methods",
    ],
)
def test_a_typed_count_is_found(text: str) -> None:
    assert len([*typed(text)]) == 1


@pytest.mark.parametrize(
    "text", [f"in {len(WAYS.names())} ways", "ten methods were compared", "a hundred tasks", "2026-12-02 methods"]
)
def test_other_numbers_are_none(text: str) -> None:
    assert not [*typed(text)]
