"""A folder with a task of 60 rows, and with rows and labels of an update of it."""

from __future__ import annotations

from pathlib import Path

UPDATE = ["tasks", "update", "tickets", "--from", "more.csv", "--labels", "changes.yaml"]
TASK = "description: d\nfiles: {data: ../all.csv}\ncolumns: {text: text}\n"


def write_task(folder: Path) -> Path:
    """Write a task of 60 rows, and rows and labels of an update."""
    rows = [f"{animal} number {number},{team}" for number in range(30) for animal, team in (("cat", "a"), ("dog", "b"))]
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "tickets.yaml").write_text(TASK)
    (folder / "all.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (folder / "more.csv").write_text("\n".join(["text,label", *(f"bird number {number},c" for number in range(20))]))
    (folder / "changes.yaml").write_text("add: [c]\nrename: {a: cats}\n")
    return folder
