"""Tries cases one after another and writes a line of JSON about each; a crash ends this process, not who counts."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzzing.sites import site
from tests.fuzzing.watching import try_case

LEFT, TAKEN, REFUSED, FINDING = "begun", "taken", "refused", "finding"
MOST = 4000  # cases in one folder and process: what they leave behind does not pile up


def main() -> None:
    """Read names of cases from the standard input, and try them."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, site(Path(folder) / "root") as made:
        for line in sys.stdin:
            name = line.strip()
            replies.write(json.dumps({"case": name, "state": LEFT}) + "\n")
            begun = time.process_time()
            state, why = TAKEN, ""
            try:
                state = TAKEN if try_case(made, name) else REFUSED
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                state, why = FINDING, _shown(error)
            seconds = round(time.process_time() - begun, 3)
            replies.write(json.dumps({"case": name, "state": state, "why": why, "seconds": seconds}) + "\n")


def _shown(error: BaseException) -> str:
    last = "".join(traceback.format_exception(error)[-12:])
    return last[-6000:]


if __name__ == "__main__":
    main()
