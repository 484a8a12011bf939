"""A recipe over three tiny tasks as CSV files: what a user would have, small enough to run in seconds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.conftest import FRUITS, SUBJECTS, make_task

TASKS = {
    "animals": (SUBJECTS, FRUITS),
    "halves": ([*SUBJECTS[:4], *FRUITS[:4]], [*SUBJECTS[4:], *FRUITS[4:]]),
    "fruits": (FRUITS, SUBJECTS),
}


@cache
def task_files() -> dict[str, str]:
    """Return the files of three tasks by name, each task a YAML file and its CSV files."""
    texts = {}
    for name, words in TASKS.items():
        made = make_task(name, *words)
        for split, rows in made.splits.items():
            frame = rows.to_pandas()
            frame["label"] = [made.labels[label] for label in frame["label"]]
            texts[f"{name}-{split}.csv"] = frame[["text", "label"]].to_csv(index=False)
        files = ", ".join(f"{split}: {name}-{split}.csv" for split in made.splits)
        texts[f"{name}.yaml"] = (
            f"description: made in tests\nfiles: {{{files}}}\ncolumns: {{text: text, label: label}}\nlicense: CC0-1.0\n"
        )
    return texts


def write_tasks(folder: Path) -> Path:
    """Write three tasks, and return their folder."""
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    for name, text in task_files().items():
        (tasks / name).write_text(text, encoding="utf-8")
    return tasks


def write_recipe(folder: Path, backbone: Path) -> Path:
    """Write the tasks and a recipe over them, and return the recipe's path."""
    write_tasks(folder)
    path = folder / "stream.yaml"
    path.write_text(
        f"""name: stream
backbone: {backbone}
tasks: [animals, halves, fruits]
seeds: [0, 1]
budget: {{epochs: 4, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  sequential: {{strategy: sequential, method: full, learning_rate: 0.003}}
reference: sequential
""",
        encoding="utf-8",
    )
    return path
