"""What an update did, as `workbench tasks update --json` prints it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.updating.new_files import COUNTED
from adapter_workbench.tasks.updating.rows import by_split

if TYPE_CHECKING:
    from adapter_workbench.tasks.updating.update import Update


def report(made: Update, *, dry_run: bool) -> dict[str, Any]:
    """Return what an update did, or would do.

    Returns:
        ``task``; ``before`` and ``version``, the newest version before and afterwards; ``first``: whether the task had
        no versions before, so that its own file is not read any more; ``unchanged``; ``exchanged_before``: whether the
        newest version has exchanged the names of labels that were to be exchanged; ``dry_run``; ``path``: where the
        new version lies, None if none was written; ``rows``: kind of change → split → number of rows; ``examples``:
        split → rows of the new version; ``left_out``: ids of rows whose text belongs to another split; ``elsewhere``:
        how many texts were given in another split than the one in which they stay; ``labels``: ``before``, ``after``,
        and for each label after the positions of those that it comes from (``sources``); ``skipped``: rows of the file
        without a text, without a label, or with an unlisted one.
    """
    split_of_row = {row.id: row.split for row in (*made.before.rows, *made.next.rows)}
    changes = asdict(made.next.changes)
    written = made.new and not dry_run
    return {
        "task": made.task,
        "before": made.before.number,
        "version": made.number,
        "first": len(made.new) > 1,
        "unchanged": not made.new,
        "exchanged_before": made.exchanged_before,
        "dry_run": dry_run,
        "path": str(made.folder / str(made.number)) if written else None,
        "rows": {kind: dict(Counter(split_of_row[row_id] for row_id in changes[kind])) for kind in COUNTED},
        "examples": by_split(made.next.rows),
        "left_out": list(made.next.changes.left_out),
        "elsewhere": len(made.next.changes.elsewhere),
        "labels": {
            "before": list(made.labels.before),
            "after": list(made.labels.labels),
            "sources": [list(positions) for positions in made.labels.sources],
        },
        "skipped": {
            "without_text": made.given.empty,
            "without_label": made.given.unlabelled,
            "unlisted_label": made.given.unlisted,
        },
    }
