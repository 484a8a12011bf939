"""``python -m tests.neighbours.table``: write what ran into docs/results and docs/evidence/neighbours.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from adapter_workbench.experiments.engine.provenance import provenance
from tests.neighbours.compared import Compared, kept
from tests.neighbours.environments import ROOT

RESULTS = ROOT / "docs" / "results" / "neighbours.json"
PAGE = ROOT / "docs" / "evidence" / "neighbours.md"
BEGIN, END = "<!-- what ran -->\n", "<!-- /what ran -->\n"
COLUMNS = "| program | version | direction | compared | cases | largest difference |\n"
HEAD = COLUMNS + "| --- | --- | --- | --- | ---: | ---: |\n"
DIRECTIONS = {
    "reads": "reads what is exported",
    "writes": "writes what is imported",
    "asks": "asks the server",
    "is asked": "is written to",
}


def table(rows: Sequence[Compared]) -> str:
    """Return the rows as a table of Markdown."""
    return HEAD + "".join(
        f"| {row.program} | {row.version or 'its documented layout'} | {DIRECTIONS[row.direction]} | {row.what} "
        f"| {row.cases:,} | {'equal' if row.difference is None else f'{row.difference:.1g}'} |\n"
        for row in rows
    )


def stored(results: Path = RESULTS) -> list[Compared]:
    """Return the rows of a results file."""
    return [Compared(**row) for row in json.loads(results.read_text(encoding="utf-8"))["compared"]]


def with_table(page: str, rows: Sequence[Compared]) -> str:
    """Return the page with these rows between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(rows)}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write both; raises SystemExit where nothing ran."""
    rows = list(kept())
    if not rows:
        sys.exit("nothing ran yet: make neighbours")
    document = {"provenance": provenance("make neighbours"), "compared": [asdict(row) for row in rows]}
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
