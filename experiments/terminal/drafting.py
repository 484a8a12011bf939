"""Adding a task in a terminal: what was found, questions where it is unsure, and what was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.prompt import Confirm, Prompt
from rich.text import Text

from adapter_workbench.experiments.terminal.output import shortened, stdout, table
from adapter_workbench.tasks.drafting.guess import Doubt, GivenColumns, consider
from adapter_workbench.tasks.reading.shown_rows import characters_beyond_ascii, shown_rows
from adapter_workbench.tasks.rows import hidden_characters
from adapter_workbench.tasks.rows.column_traits import traits_of
from adapter_workbench.tasks.rows.label_spellings import sentence, spellings_of_one
from adapter_workbench.tasks.rows.odd_texts import FAR_LONGER
from adapter_workbench.workbench.errors.printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.tasks.drafting.draft import Draft
    from adapter_workbench.tasks.drafting.findings import Findings
    from adapter_workbench.tasks.drafting.found_data import RawData

QUESTIONS = {
    "kind": "What kind of task is it?",
    "label": "Which column holds the label or the answer?",
    "text": "Which column is the text?",
}
MOST_SHOWN = 20
MOST_CHARACTERS = 12


def somebody_there() -> bool:
    """Say whether questions can be answered: in a terminal, which a notebook's ``!`` only looks like."""
    return sys.stdin.isatty() and sys.stdout.isatty() and "JPY_PARENT_PID" not in os.environ


def converse(name: str, data: RawData) -> tuple[GivenColumns, str]:
    """Show what was found, ask about what is not certain, and return the answers and the task's description."""
    stdout.print(f"{printable(data.origin)}: {sizes(data)}")
    show_dialect(data)
    described = traits_of(data.sample).values()
    table(["column", "distinct", "for example"], [[column.name, column.distinct, column.shown] for column in described])
    stdout.print("\nSome rows:")
    examples(shown_rows(data.frame, list(data.frame.columns)), [str(column) for column in data.frame.columns])
    stdout.print()
    columns = ask_until_settled(data.sample, data.origin)
    description: str = Prompt.ask(_question("In a line, what is it?"), default=name, console=stdout)
    return columns, description


def ask_until_settled(sample: pd.DataFrame, where: str) -> GivenColumns:
    """Ask one question after another until the data and the answers tell everything."""
    columns = GivenColumns()
    asked: set[str] = set()
    while True:
        guess = consider(sample, where, columns)
        doubt = next((doubt for doubt in guess.doubts if doubt.part not in asked), None)
        if doubt is None:
            return columns
        asked.add(doubt.part)
        columns = replace(columns, **answer(doubt))


def answer(doubt: Doubt) -> Mapping[str, Any]:
    """Return what the chosen of a doubt's choices settles; the likeliest is the default, if there is one.

    A choice is typed as it is shown: without spaces around it, and with whatever a terminal would obey written out.
    """
    named = {printable(name, None).strip(): name for name in doubt.choices}
    names, question = [*named], _question(QUESTIONS[doubt.part])
    default: Any = names[0] if doubt.guessed else ...
    return doubt.choices[named[Prompt.ask(question, choices=names, console=stdout, default=default)]]


def _question(words: str) -> Text:
    """Return the words as they are; of a mere string the library would take brackets for markup."""
    return Text(words, "prompt")


def is_confirmed(made: Draft, data: RawData) -> bool:
    """Show a draft and what its columns hold, and ask whether it is to be written."""
    stdout.print()
    show_findings(made, data)
    stdout.print(f"\n{made.text}")
    return Confirm.ask(_question("Write it?"), default=True, console=stdout)


def show_findings(made: Draft, data: RawData) -> None:
    """Print what the draft's columns hold."""
    findings = made.findings
    notes = [(findings.empty, "without a text are left out"), (findings.duplicates, "repeat the text of another")]
    remarks = "".join(f"; {count} {note}" for count, note in notes if count)
    show_dialect(data)
    stdout.print(f"{sizes(data)}{remarks}")
    for warning in doubtful(findings, data):
        stdout.print(warning)
    examples(made.examples, made.columns.columns_read)
    if findings.counts:
        noun = {"token-classification": "tag"}.get(made.columns.kind, "answer" if made.columns.answer else "label")
        shown = [*findings.counts.items()][:MOST_SHOWN]
        table([noun, "count"], shown, title=f"\n{len(findings.counts)} distinct {noun}s")
        if noun != "answer" and (groups := spellings_of_one(findings.counts)):
            stdout.print(f"Look at this: {sentence(groups, [*findings.counts])}", markup=False)
        if noun != "answer" and (hidden := hidden_characters.hidden_in(findings.counts)):
            stdout.print(f"Look at this: {hidden_characters.sentence(hidden)}", markup=False)


def show_dialect(data: RawData) -> None:
    """Print how a file was read, where it is one that can be read in several ways."""
    if data.read_as:
        stdout.print(f"Read as: {data.read_as}")
    if data.encoding.lower() not in {"utf-8", "utf8"}:
        characters = [*characters_beyond_ascii(data.frame).items()]
        listed = ", ".join(f"{printable(character)} {count:,}" for character, count in characters[:MOST_CHARACTERS])
        more = f", and {len(characters) - MOST_CHARACTERS} others" if len(characters) > MOST_CHARACTERS else ""
        stdout.print(f"Characters beyond ASCII: {listed}{more}   (--encoding NAME, if these are wrong)", markup=False)


def doubtful(findings: Findings, data: RawData) -> list[str]:
    """Return what looks as if rows were lost: lines and rows that differ in number, line breaks, very long texts."""
    warnings, hint = [], "   (--no-quotes, if quotes are part of the texts)" if "quotes" in data.read_as else ""
    if findings.lines is not None and findings.lines != findings.rows:
        warnings.append(f"Look at this: the file has {findings.lines:,} lines and {findings.rows:,} rows{hint}")
    if findings.odd.broken:
        warnings.append(
            f"Look at this: {len(findings.odd.broken):,} texts have a line break in them: {_rows(findings.odd.broken)}"
        )
    if findings.odd.long:
        times = f"{FAR_LONGER} times as long as most ({findings.odd.median} characters) or longer"
        warnings.append(f"Look at this: {len(findings.odd.long):,} texts are {times}: {_rows(findings.odd.long)}")
    return warnings


def _rows(indices: Sequence[int]) -> str:
    shown = ", ".join(f"{index + 1:,}" for index in indices[:5])
    return f"rows {shown}{', …' if len(indices) > 5 else ''}"


def examples(rows: Sequence[Mapping[Any, Any]], columns: Sequence[str]) -> None:
    """Print some columns of raw rows, cut to the width of a terminal."""
    table(columns, [[shortened(row[column]) for column in columns] for row in rows])


def sizes(data: RawData) -> str:
    """Return the rows of each split that the source has."""
    return ", ".join(f"{split} {rows:,} rows" for split, rows in data.sizes.items())
