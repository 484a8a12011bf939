"""What people see of an experiment, whatever the medium: data, and nothing is drawn before it is asked for.

A study says what there is, in :class:`Presentation`; the renderers beside this module say how it looks on a terminal,
on a page, in LaTeX, as CSV, in a notebook and in MLflow. No renderer knows a study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Flag, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.mlflow.run_record import RunRecord


class Medium(Flag):
    """Where a block or a column is shown; exports to LaTeX and CSV have every table with every column."""

    EXPORT = 0
    TERMINAL = auto()
    PAGE = auto()
    ANY = TERMINAL | PAGE


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str  # how it reads
    value: float | None = None  # the number behind the text, not rounded; None where the text is all there is
    interval: Interval | None = None  # the 95 % interval of the value, or of nothing known
    spread: str = ""  # the interval in the same line: ``±1.2``
    notes: tuple[str, ...] = ()  # small lines below the text, where there is room
    badge: str = ""  # a word that stands out: what an interval of differences says, or what a row is
    tone: str = "even"  # of the badge: ``good``, ``bad`` or ``even``
    heat: float | None = None  # the share of the colour scale, 0 to 1; None for no colour


@dataclass(frozen=True)
class Column:
    """A column's head: ``note`` stands small below it, ``short`` in its place on a terminal.

    ``unit`` is that of the numbers behind the texts, where those are no shares, points or counts.
    """

    head: str
    note: str = ""
    unit: str = ""
    short: str = ""
    media: Medium = Medium.ANY
    left: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    name: str  # of its file; no other table of the report has it
    # over it on a page; ``short`` on a terminal, where ``note``, what has to be known to read it, has no room
    title: str
    columns: Sequence[Column]  # one for each cell of a row
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    short: str = ""
    media: Medium = Medium.ANY
    # whether a page shows it only when its title is clicked: a long one, for whoever looks for one row
    folded: bool = False

    def shown(self, medium: Medium) -> Table:
        """Return the table with the columns of one medium."""
        return self.with_columns([index for index, column in enumerate(self.columns) if medium in column.media])

    def with_columns(self, indices: Sequence[int]) -> Table:
        """Return the table with these columns alone, in this order."""
        rows = [[row[index] for index in indices] for row in self.rows]
        return replace(self, columns=[self.columns[index] for index in indices], rows=rows)


@dataclass(frozen=True)
class Grid:
    """Small tables of scores beside each other, on one colour scale; ``names`` says what their columns are."""

    title: str
    names: Sequence[str]
    tables: Sequence[Table]
    media: Medium = Medium.TERMINAL


@dataclass(frozen=True)
class Figure:
    """A figure."""

    name: str  # of its file
    title: str  # over it; ``notes`` are sentences between the two
    caption: str  # under it
    alt: str  # what it shows, for whoever cannot see it
    draw: Callable[[], Drawing | None]  # returns it; None where the report has no data for it
    notes: Sequence[str] = ()
    media: Medium = Medium.PAGE


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``style`` is ``quiet`` for what explains, ``warning`` for what is wrong, or nothing."""

    text: str
    style: str = ""
    media: Medium = Medium.ANY


@dataclass(frozen=True)
class Sentences:
    """A list of sentences that continue what stands before."""

    items: Sequence[str]
    media: Medium = Medium.PAGE


@dataclass(frozen=True)
class Definitions:
    """Terms and what each stands for; ``command`` is shown as one that can be copied."""

    title: str
    entries: Sequence[tuple[str, str]]
    note: str = ""
    command: str = ""
    media: Medium = Medium.PAGE


Block: TypeAlias = Table | Grid | Figure | Paragraph | Sentences | Definitions


@dataclass(frozen=True)
class Tracking:
    """What MLflow holds of an experiment; the description is made from the verdict and from what is here."""

    run: RunRecord  # the parent with its children, without description and artifacts
    table: Table  # of the run's description, ``below`` what has to be known to read it
    below: Sequence[str]
    exhibits: Sequence[str] | None = None  # names of the figures that the description shows; None for all of them


@dataclass(frozen=True)
class Presentation:
    """What people see of an experiment."""

    experiment: str  # its name in the workspace; ``tracked`` its name in MLflow
    tracked: str
    title: str  # what kind of report it is
    facts: tuple[str, ...]  # what was measured, in a few words each; ``further`` those for which a terminal has no room
    further: tuple[str, ...]
    says: str  # what the recipe says of itself
    verdict: str  # what came out, in sentences; ``judged`` is the heading over it
    complete: bool  # whether everything that was planned is there
    # yields the blocks in the order in which they are read; MLflow needs none while a run goes on
    written: Callable[[], Iterable[Block]]
    document: Callable[[bool], dict[str, Any]]  # returns the JSON document, with what each seed gave or without
    about: str  # Markdown that describes the experiment in MLflow, whichever its runs
    tracking: Callable[[], Tracking]  # returns what MLflow holds of it
    judged: str = "Verdict"
    # further sentences of it, each of which is read by itself; ``evidence`` are the numbers below them
    listed: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, made when they are first asked for."""
        return tuple(self.written())

    def shown(self, medium: Medium) -> list[Block]:
        """Return the blocks of one medium, tables with the columns of that medium."""
        blocks = [block for block in self.blocks if medium in block.media]
        return [block.shown(medium) if isinstance(block, Table) else block for block in blocks]

    @property
    def tables(self) -> list[Table]:
        """Every table, whichever medium it is for, those of grids included."""
        nested = (
            block.tables if isinstance(block, Grid) else [block] if isinstance(block, Table) else []
            for block in self.blocks
        )
        return [table for tables in nested for table in tables]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, those without data included."""
        return [block for block in self.blocks if isinstance(block, Figure)]
