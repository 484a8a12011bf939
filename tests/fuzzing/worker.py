"""Tries cases one after another and writes a line of JSON about each; a crash ends this process, not who counts."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzzing.counted import COUNTED
from tests.fuzzing.sites import site
from tests.fuzzing.watching import try_case

LEFT, TAKEN, REFUSED, FINDING = "begun", "taken", "refused", "finding"
MOST = 2000  # cases in one folder and process: what they leave behind does not pile up
ADDRESSES = 6 << 30  # bytes that a process may address


def main() -> None:
    """Read names of cases from the standard input, and try them."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, site(Path(folder) / "root") as made:
        for line in sys.stdin:
            name = line.strip()
            replies.write(json.dumps({"case": name, "state": LEFT}) + "\n")
            begun, before = time.perf_counter(), Counter(COUNTED)
            state, why = TAKEN, ""
            try:
                state = TAKEN if try_case(made, name) else REFUSED
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                state, why = FINDING, _shown(error)
            seconds, kills = round(time.perf_counter() - begun, 3), Counter(COUNTED) - before
            reply = {"case": name, "state": state, "why": why, "seconds": seconds, "kills": kills}
            replies.write(json.dumps(reply) + "\n")


def _shown(error: BaseException) -> str:
    last = "".join(traceback.format_exception(error)[-12:])
    return last[-6000:]


if __name__ == "__main__":
    main()
