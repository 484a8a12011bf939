"""What `workbench tasks update`, `history` and `diff` print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter_workbench.experiments.terminal.output import shortened, stdout, table
from adapter_workbench.workbench.methods.task import SPLITS

WORDS = {
    "new": "new",
    "relabelled": "with another label",
    "changed": "with another text",
    "gone": "gone",
    "left_out": "left out",
}
SHOWN = 5


def print_update(report: Mapping[str, Any]) -> None:
    """Print what an update did, as :func:`adapter_workbench.tasks.updating.report.report` gives it."""
    task, version = report["task"], report["version"]
    _print_skipped(report)
    if report["unchanged"]:
        stdout.print(f"Nothing changes: {task}@{version} has these rows and labels already. No version was made.")
        if report["exchanged_before"]:
            stdout.print("This very exchange of names made it, and is made once.")
            stdout.print("To exchange them back, give one of them a third name first, in a file of its own.")
        return
    verb = "would be" if report["dry_run"] else "is"
    stdout.print(f"{task}@{version} {verb} the newest version of {task}, after {task}@{report['before']}.")
    rows = [[WORDS[kind], *(counts.get(split, 0) for split in SPLITS)] for kind, counts in report["rows"].items()]
    rows = [row for row in rows if any(row[1:])]
    table(["rows", *SPLITS], [*rows, ["all", *(report["examples"][split] for split in SPLITS)]])
    _print_labels(report["labels"])
    _print_kept_apart(report)
    if report["path"]:
        stdout.print(f"Wrote {report['path']}")
        if report["first"]:
            stdout.print(f"{task}@1 has the rows as they were. The task's own file and its data are not read any more.")
    else:
        stdout.print("Nothing was written (--dry-run).")


def _print_skipped(report: Mapping[str, Any]) -> None:
    named = {"without_text": "without a text", "without_label": "without a label", "unlisted_label": "of other labels"}
    for key, words in named.items():
        if count := report["skipped"][key]:
            stdout.print(f"Left out of the file: {count:,} rows {words}")


def _print_labels(labels: Mapping[str, Any]) -> None:
    """Print the labels that are not those of the version before, each with those that it comes from."""
    before, after = labels["before"], labels["after"]
    for label, positions in zip(after, labels["sources"], strict=True):
        sources = [before[position] for position in positions]
        if sources != [label]:
            origin = f"from {', '.join(sources)}" if sources else "new"
            stdout.print(f"Label {label}: {origin}")
    used = {position for positions in labels["sources"] for position in positions}
    for position, label in enumerate(before):
        if position not in used:
            stdout.print(f"Label {label}: retired")


def _print_kept_apart(report: Mapping[str, Any]) -> None:
    if ids := report["left_out"]:
        shown = ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
        stdout.print(f"Left out, because their text belongs to another split: {len(ids)} rows ({shown})")
    if count := report["elsewhere"]:
        stdout.print(f"Given in another split, and kept in their own: {count:,} texts")


def print_history(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print the versions of a task, as :func:`adapter_workbench.tasks.updating.history.history` gives them."""
    table(
        ["version", "made", "how", "from", "/".join(SPLITS), "changes", "labels", "note"],
        [
            [
                entry["version"],
                (entry["made"] or "–")[:10],
                entry["how"],
                shortened(entry["from"]),
                "/".join(str(entry["examples"][split]) for split in SPLITS),
                _counted(entry["changes"]),
                len(entry["labels"]),
                shortened(entry["note"]),
            ]
            for entry in entries
        ],
    )


def _counted(changes: Mapping[str, int]) -> str | None:
    return ", ".join(f"{count:,} {WORDS[kind]}" for kind, count in changes.items() if count) or None


def print_difference(compared: Mapping[str, Any]) -> None:
    """Print how two versions differ, as :func:`adapter_workbench.tasks.updating.difference.difference` gives it."""
    task, first, second = compared["task"], compared["from"], compared["to"]
    stdout.print(f"{task}: version {first} → version {second}")
    rows = [[WORDS[kind], *(counts[split] for split in SPLITS)] for kind, counts in compared["rows"].items()]
    examples = compared["examples"]
    sizes = [
        [f"all, version {number}", *examples[when].values()] for number, when in ((first, "before"), (second, "after"))
    ]
    table(["rows", *SPLITS], [*rows, *sizes])
    table(
        ["label", "from", f"version {first}", f"version {second}"],
        [
            [
                entry["label"],
                ", ".join(entry["from"]) or "new",
                _share(entry["share"]["before"]),
                _share(entry["share"]["after"]),
            ]
            for entry in compared["labels"]
        ],
        title="Share of rows",
    )
    if compared["retired"]:
        stdout.print(f"Retired: {', '.join(compared['retired'])}")
    for pair in compared["relabelled"]:
        stdout.print(f"Another label: {pair['rows']:,} rows from {pair['from']} to {pair['to']}")
    lengths = [f"{when} {size['median']:.0f}" for when, size in compared["characters"].items() if size]
    stdout.print(f"Characters of a text (median): {', '.join(lengths)}")
    _print_conflicts(compared["conflicts"])


def _print_conflicts(conflicts: Mapping[str, Any]) -> None:
    shown = f" (rows {', '.join(conflicts['ids'])}, …)" if conflicts["ids"] else ""
    stdout.print(f"Texts with several labels: {conflicts['before']} → {conflicts['after']}{shown}")


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"
