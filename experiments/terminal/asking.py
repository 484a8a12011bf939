"""Which texts `workbench predict` asks about, and the file that it writes the answers to."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.terminal.output import stderr
from adapter_workbench.experiments.terminal.progress import counting
from adapter_workbench.tasks.reading import conll, delimited, formats
from adapter_workbench.tasks.reading.dialect import DialectSettings, in_words, unusual
from adapter_workbench.tasks.reading.encodings import encoding_of
from adapter_workbench.tasks.reading.known_dialect import KnownDialect, dialect_of
from adapter_workbench.tasks.reading.text_files import Lines, opened_bytes, opened_text, require_readable, suffix_of
from adapter_workbench.tasks.rows import row_files
from adapter_workbench.tasks.rows.row_files import FileRows, ListedRows, Row, Rows
from adapter_workbench.tasks.rows.table_form import PAIR, TEXT, TextForm, expected_columns, text_form
from adapter_workbench.workbench.errors import DataError, InputError
from adapter_workbench.workbench.files.atomic import file_written_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from adapter_workbench.experiments.answers.predicting import Ask
    from adapter_workbench.tasks.rows.table_form import NamedColumns
    from adapter_workbench.tasks.task_file.task_file import TaskFile

BATCH = 4096  # rows that are asked about, and then written, at once; a router opens its models for each
NO_LINES = (".json", ".xls", ".xlsm", ".xlsb", ".ods", ".feather", ".arrow", *formats.PACKED_ALREADY)  # nor read

LONGEST_NAME = 200  # characters of a file's name with its folders, on a command line; texts are often longer

TextOf = Callable[[Row], Any]


def texts_of(
    path: Path | None,
    texts: Sequence[str] | None,
    named: NamedColumns,
    file: TaskFile | None = None,
    task: str | None = None,
    known: KnownDialect | None = None,
) -> tuple[Rows, TextOf]:
    """Return the rows to answer for, and what finds the text (or the pair; None for a blank one) of each.

    Args:
        path: a table, or a file with one text a line; a .txt is a table where it has a column that is asked for.
        texts: texts of the command line; read from stdin where neither is given.
        named: the table's columns of texts; without a table, ``pair`` is the second text itself.
        file: of the task that answers, which says what the columns are called where ``named`` does not.
        task: the name of that task; None where several may answer.
        known: how the files of that task are written; None where that is not known.

    Raises:
        InputError: there is nothing to read, or texts and a file; a column is missing, or named of what is not a table;
            a text is the name of a file; or something cannot be read.
    """
    if path is not None and texts:
        raise InputError("texts cannot be combined with --file", hint="Leave one out.")
    expected = expected_columns(file, named)
    if path is not None and _is_table(path, expected, known):
        rows = _open(path, expected, known)
        return rows, text_form(file, rows.columns, named, str(path), task).text_of
    _require_lines(path, named.text)
    pair = named.pair
    _require_no_files(texts or ())
    _utf_8((*(texts or ()), pair or ""), "a text", "Save it in a file and give --file.")
    lines = _lines(path) if path is not None else list(texts or ()) or _from_stdin()
    columns = [TEXT, PAIR] if pair is not None else [TEXT]
    listed = [dict(zip(columns, (line, pair), strict=False)) for line in lines]
    return ListedRows(columns, listed), TextForm((TEXT,), None if pair is None else PAIR).text_of


def labelled_table(path: Path, expected: Sequence[str], known: KnownDialect | None) -> FileRows:
    """Return the rows of a table; a .txt is one where it has one of the ``expected`` columns.

    ``known`` is how the files of the task are written; None where that is not known.

    Raises:
        InputError: it is not a table, or it cannot be read.
    """
    if not _is_table(path, expected, known):
        require_readable(path)
        hint = f"A table is one of {formats.READABLE}; a .txt needs a header with the columns."
        raise InputError("this file is not a table", where=str(path), hint=hint)
    return _open(path, expected, known)


def _open(path: Path, expected: Sequence[str], known: KnownDialect | None) -> FileRows:
    rows = FileRows(path, expected, known)
    if unusual(rows.dialect, rows.format):
        stderr.print(f"{path.name} was read as: {in_words(rows.dialect)}")
    return rows


def _is_table(path: Path, expected: Sequence[str], known: KnownDialect | None) -> bool:
    """Return whether a file is a table: by its suffix; a .txt is one if it has an expected column.

    Of a task whose own files are CoNLL, a file of any name is one that begins as they do.
    """
    if known is not None and known.claims(path) and path.is_file():
        return conll.is_tagged(path, known.dialect.encoding)
    if suffix_of(path) != ".txt":
        return formats.is_known(path)
    try:
        dialect = dialect_of(path, "txt", DialectSettings(), expected, known)
        with delimited.open_table(path, dialect) as table:
            return any(name in table.names for name in expected)
    except DataError:  # what is wrong with it is said when it is read as lines
        return False


def _require_no_files(texts: Sequence[str]) -> None:
    """Raise InputError where a text is the name of a file: its rows are meant, and the name alone would be answered."""
    for text in texts:
        path = Path(text)
        if len(text) < LONGEST_NAME and formats.is_known(path) and path.is_file():
            hint = f"For the texts in it: --file {shlex.quote(text)}"
            raise InputError("this is the name of a file, not a text", where=text, hint=hint)


def _require_lines(path: Path | None, column: str | None) -> None:
    """Raise InputError where something that is not a known table cannot be read as one text a line either."""
    hint = f"A table is one of {formats.READABLE}; its suffix says which."
    if path is None:
        if column is not None:
            raise InputError("--column needs --file", hint="Save the table in a file, and add --file FILE.csv.")
        return
    require_readable(path)
    if suffix_of(path) in NO_LINES:
        raise InputError("files of this format are not read here", where=str(path), hint=hint)
    if column is not None and suffix_of(path) != ".txt":
        raise InputError("--column needs a table, and this is not one by its name", where=str(path), hint=hint)


def _lines(path: Path) -> list[str]:
    with opened_bytes(path) as stream:
        encoding = encoding_of(stream.read())
    with opened_text(path, encoding) as text:
        return [line.rstrip("\r\n") for line in Lines(text, str(path)) if line.strip()]


def _from_stdin() -> list[str]:
    if sys.stdin.isatty():
        raise InputError("there is nothing to predict", hint="Give texts in quotes, --file, or pipe lines in.")
    lines = (line.rstrip("\n") for line in sys.stdin if line.strip())
    return _utf_8(lines, "stdin", "Save it and give --file: its encoding is found.")


def _utf_8(texts: Iterable[str], source: str, hint: str) -> list[str]:
    """Return texts, or raise InputError where one is not UTF-8.

    Python raises when it reads such a text, or keeps its bytes as surrogates, which cannot be encoded.
    """
    try:
        read = [*texts]
        for text in read:
            text.encode()
    except UnicodeError:
        raise InputError(f"{source} is not UTF-8", hint=hint) from None
    return read


class AnswerFile:
    """A file with all columns of some rows, and beside them what was answered."""

    def __init__(
        self,
        path: Path,
        rows: Rows,
        new_columns: Mapping[str, str],
        prefix: str,
        source: Path | None,
        for_spreadsheets: bool = False,
    ) -> None:
        """Make sure, before a model is opened, that ``path`` can be written.

        Args:
            path: a table by its ending, one of :data:`adapter_workbench.experiments.terminal.output.ANSWERS`.
            rows: what is asked about.
            new_columns: those of an answer → the attribute of an answer that stands there.
            prefix: stands before their names.
            source: the file that the rows come from.
            for_spreadsheets: whether no text may begin as a formula does.

        Raises:
            InputError: it is not for spreadsheets, or the rows have such a column already.
        """
        if for_spreadsheets and path.suffix.lower() not in row_files.DELIMITERS:
            hint = f"Spreadsheets open {' and '.join(row_files.DELIMITERS)}."
            raise InputError("--for-spreadsheets is not for this format", where=str(path), hint=hint)
        self.for_spreadsheets = for_spreadsheets
        self.path, self.rows, self.plain = path, rows, tuple(new_columns)
        self.new_columns = {f"{prefix}{name}": attribute for name, attribute in new_columns.items()}
        if existing := [name for name in self.new_columns if name in rows.columns]:
            hint = "Put something before the new names: --prefix predicted_"
            raise InputError(
                f"there is a column {', '.join(map(repr, existing))} already", where=str(source), hint=hint
            )

    def write(self, text_of: TextOf, ask: Ask) -> int:
        """Write everything, or nothing; return how many rows had no text and got no answer."""
        from adapter_workbench.experiments.answers.predicting import with_answers

        suffix, empty = self.path.suffix.lower(), 0
        tags = next(iter(self.new_columns)) if self.plain[0] == "tags" and suffix in row_files.DELIMITERS else None
        with (
            file_written_whole(self.path) as path,
            row_files.rows_to(
                path, suffix, self._schema, [*self.rows.columns, *self.new_columns], self.for_spreadsheets
            ) as write,
            counting(self.path.name, self.rows.count) as advance,
        ):
            for batch in self.rows.batches(BATCH):
                texts = [text_of(row) for row in batch]
                answered_rows = with_answers(batch, texts, ask, self.new_columns)
                if tags:  # in one field they stand as words do, and as `tasks new` reads them
                    answered_rows = [{**row, tags: row[tags] and " ".join(row[tags])} for row in answered_rows]
                write(answered_rows)
                empty += texts.count(None)
                advance(len(batch))
        return empty

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        lists, numbers = pa.list_(pa.string()), pa.float64()
        types = {"labels": lists, "tags": lists, "correct": pa.bool_()}
        types |= dict.fromkeys(("value", "confidence", "routing_score", "error"), numbers)
        answers = pa.schema(
            [(name, types.get(plain, pa.string())) for name, plain in zip(self.new_columns, self.plain, strict=True)]
        )
        return pa.unify_schemas([self.rows.schema(), answers])
