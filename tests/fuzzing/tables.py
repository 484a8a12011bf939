"""tables: files of rows in every format, damaged or with odd cells, and task files over them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.fuzzing.promises import require_promises
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, shell_word, text, value

NAMES = (
    "rows.csv",
    "rows.csv",
    "rows.tsv",
    "rows.txt",
    "rows.jsonl",
    "rows.parquet",
    "rows.xlsx",
    "rows.xlsx",
    "rows.json",
)
CELLS = (
    "",
    " ",
    "the cat",
    "1,5",
    "1.000",
    "=1+1",
    "NA",
    "null",
    "ham",
    " ham ",
    "HAM",
    "0",
    "1e999",
    "£ café",
    "\ufeff",
    "a\nb",
    '"',
)
ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "cp1252",
    "cp1250",
    "koi8-r",
    "shift_jis",
    "utf-7",
)
HEADS = ("text", "label", "Is Spam?", "score", "", "text", "id", "x" * 300, "\x1b[31m", "label.1", "1", "nan")
TASK = {
    "description": "made in tests",
    "columns": {"text": "text", "label": "label"},
    "labels": ["first", "second"],
    "splits": {"validation": 0.2, "test": 0.2, "seed": 0, "stratified": True},
}


def case(site: Site, random: Random) -> bool:
    """Write rows and a task over them; check the task, or draft one from the rows."""
    work, name = site.folder, random.choice(NAMES)
    data = work / name
    try:
        if random.random() < 0.08:
            _folder(random, data)
        else:
            data.write_bytes(_content(random, data.suffix))
        act = random.random()
        if act < 0.45:
            return _checked(work, random, name)
        if act < 0.6:
            return _asked(site, random, name)
        called = shell_word(random) if random.random() < 0.1 else "other"
        return not require_promises(work, "tasks", "new", called, "--from", name).code
    finally:
        shutil.rmtree(data, ignore_errors=True)
        data.unlink(missing_ok=True)
        for path in (work / "tasks").glob("*.yaml"):
            if path.stem not in ("animals", "halves", "fruits"):
                path.unlink()


def _checked(work: Path, random: Random, name: str) -> bool:
    task = TASK | {"files": {"data": f"../{name}"}}
    if random.random() < 0.35:
        task = changed(random, task)
    content = yaml.safe_dump(task, allow_unicode=False).encode()
    (work / "tasks" / "other.yaml").write_bytes(content if random.random() < 0.95 else damaged(random, content))
    ways = (["check"], ["check"], ["check", "--backbone", "../whole/bert"], ["show"])
    return not require_promises(work, "tasks", *random.choice(ways), "other").code


def _asked(site: Site, random: Random, name: str) -> bool:
    """Let an adapter answer the rows."""
    words = [random.choice(["predict", "evaluate"]), site.adapter.name, "--workspace", str(site.served), "--file", name]
    words += ["--column", random.choice(["text", "text", "label", ""])] if random.random() < 0.5 else []
    words += ["--out", random.choice(["out.csv", "out.jsonl", name])] if random.random() < 0.3 else []
    try:
        return not require_promises(site.folder, *words).code
    finally:
        for written in site.folder.glob("out.*"):
            written.unlink()


def _content(random: Random, suffix: str) -> bytes:
    rows = _rows(random)
    content = WRITE.get(suffix, _delimited)(random, rows)
    act = random.random()
    if act < 0.25:
        return damaged(random, content)
    if act < 0.3:
        return random.choice([gzip.compress, bz2.compress])(content)
    return content


def _rows(random: Random) -> list[dict[str, Any]]:
    """Return rows of two columns, mostly usual, with odd cells and now and then another column."""
    count = random.choice([0, 1, 6, 12, 40, 40, 40, 40, 40])
    rows: list[dict[str, Any]] = [{"text": f"the cat {n}", "label": ("first", "second")[n % 2]} for n in range(count)]
    for _ in range(random.choice([0, 1, 1, 3]) if rows else 0):
        row = random.choice(rows)
        row[random.choice([*row, *HEADS])] = random.choice(CELLS) if random.random() < 0.6 else value(random)
    if rows and random.random() < 0.3:
        odd = random.choice(CELLS)
        for row in rows:
            row[random.choice(["text", "label"])] = odd
    return rows


def _delimited(random: Random, rows: list[dict[str, Any]]) -> bytes:
    delimiter = random.choice([",", ",", ";", "\t", "|", " ", "\x00", "::"])
    heads = [*dict.fromkeys(head for row in rows for head in row)] or ["text", "label"]
    quote = random.choice(['"', '"', "'", ""])

    def cell(given: Any) -> str:
        written = str(given)[:3000]
        plain = not any(sign in written for sign in (delimiter, "\n", '"'))
        return written if plain and random.random() < 0.8 else f"{quote}{written}{quote}"

    lines = [heads] * (random.random() < 0.9) + [[row.get(head, "") for head in heads] for row in rows]
    end = random.choice(["\n", "\n", "\r\n", "\r"])
    return end.join(delimiter.join(map(cell, line)) for line in lines).encode(
        random.choice(ENCODINGS), errors="replace"
    )


def _json(random: Random, rows: list[dict[str, Any]]) -> bytes:
    document = random.choice([rows, {"data": rows}, changed(random, rows)])
    return json.dumps(document, default=str, skipkeys=True).encode()


def _lines(random: Random, rows: list[dict[str, Any]]) -> bytes:
    entries = [changed(random, row) if random.random() < 0.1 else row for row in rows]
    return "\n".join(json.dumps(entry, default=str, skipkeys=True) for entry in entries).encode()


def _parquet(random: Random, rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {head: [str(row.get(head))[:300] for row in rows] for head in ("text", "label")}
    columns = {
        name: [entry.encode(errors="replace").decode() for entry in entries] for name, entries in columns.items()
    }
    odd: list[Any] = [None, 1, 1.5, b"\xff", [1], {"a": 1}, True]
    if random.random() < 0.4:
        columns[random.choice(["text", "label", "extra"])] = [random.choice(odd)] * len(rows)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _workbook(random: Random, rows: list[dict[str, Any]]) -> bytes:
    import openpyxl
    from openpyxl.utils.exceptions import IllegalCharacterError

    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["text", "label"])
    for row in rows:
        try:
            sheet.append([str(row.get("text"))[:300], str(row.get("label"))[:300]])
        except IllegalCharacterError:
            sheet.append([None, 7])
    if random.random() < 0.2:
        sheet.cell(row=random.choice([7, 99_999, 1_048_576]), column=random.choice([1, 3, 700, 16_384])).value = "far"
    if random.random() < 0.2:
        sheet.merge_cells("A2:B3")
    if random.random() < 0.2:
        title = "".join(sign for sign in text(random)[:20] if sign.isprintable() and sign not in "\\*?:/[]")
        book.create_sheet(title or "b")
    file = io.BytesIO()
    book.save(file)
    return _other_part(random, file.getvalue()) if random.random() < 0.2 else file.getvalue()


def _other_part(random: Random, whole: bytes) -> bytes:
    """Damage one of the files in a workbook's archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as before, zipfile.ZipFile(file, "w") as after:
        names = before.namelist()
        chosen = random.choice(names)
        for name in names:
            content = before.read(name)
            after.writestr(name, damaged(random, content) if name == chosen else content)
    return file.getvalue()


WRITE: dict[str, Callable[[Random, list[dict[str, Any]]], bytes]] = {
    ".json": _json,
    ".jsonl": _lines,
    ".parquet": _parquet,
    ".xlsx": _workbook,
}


def _folder(random: Random, folder: Path) -> None:
    """Write a folder of texts by label, with something odd in it."""
    for n in range(12):
        path = folder / ("first", "second")[n % 2] / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the cat {n}", encoding="utf-8")
    odd: list[Callable[[], Any]] = [
        lambda: (folder / "zz").symlink_to("/etc"),
        lambda: (folder / "first" / "link.txt").symlink_to("/etc/passwd"),
        lambda: os.mkfifo(folder / "first" / "pipe.txt"),
        lambda: Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")).mkdir(),
        lambda: (folder / "first" / "bytes.txt").write_bytes(random.randbytes(50)),
        lambda: (folder / "first" / "deep").mkdir(),
        lambda: (folder / "loop").symlink_to(folder),
        lambda: (folder / "empty").mkdir(),
    ]
    random.choice(odd)()
