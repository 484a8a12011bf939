r"""A report's tables in LaTeX, one after the other, for a paper's ``\input``; rules are those of booktabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import one_line
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.mlflow.mlflow_names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Presentation, Table

SIGNS = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # behind the end of a row it would be the row's distance to the next
        "]": "{]}",
        "\u00a0": "~",
        "−": "$-$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "²": r"\textsuperscript{2}",
        "→": r"$\to$",
        "≤": r"$\leq$",
        "Δ": r"$\Delta$",
        "µ": r"\textmu{}",
        "▲": r"$\uparrow$",
        "▼": r"$\downarrow$",
        "–": "--",
        "…": r"\ldots{}",
    }
)


def latex(presentation: Presentation) -> str:
    """Return all tables of a report, each a float with caption and label; arrows say higher and lower."""
    name = plain_name(presentation.experiment)
    marks = r"\uparrow higher, \downarrow lower, = equal within the margin, ? undecided"
    lines = [rf"% {name}: \usepackage{{booktabs}}; {marks}"]
    for table in presentation.tables:
        lines += ["", *_float(table, name)]
    return "\n".join([*lines, ""])


def escape(text: str) -> str:
    """Return text of any origin as LaTeX shows it as it stands, on one line."""
    return printable(text, None).translate(SIGNS)


def _float(table: Table, experiment: str) -> Iterator[str]:
    title = f"{table.title}."
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{escape(' '.join(part for part in (title, table.note) if part))}}}"
    yield rf"  \label{{tab:{experiment}-{plain_name(table.name)}}}".replace("_", "-")
    yield rf"  \begin{{tabular}}{{{''.join(_sides(table))}}}"
    yield r"    \toprule"
    yield _row(column.head for column in table.columns)
    yield r"    \midrule"
    for row in table.rows:
        yield _row(one_line(cell) for cell in row)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _sides(table: Table) -> Iterator[str]:
    for index, column in enumerate(table.columns):
        yield "l" if index == 0 or column.left else "r"


def _row(cells: Iterator[str]) -> str:
    return rf"    {' & '.join(map(escape, cells))} \\"
