"""Kill a run at random moments, with SIGKILL, and let it go on, until it has been killed often enough.

    python -m tests.killing RECIPE TASKS WORKSPACE --set seeds=[0] --kills 20 --seed 0

Each life of the run is a forked child; imports and planning are done once, so that every kill hits the work itself.
Prints one JSON document: how often it was killed, at which moments (seconds), and in how many workspaces.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
from pathlib import Path

import torch

torch.set_num_threads(1)  # a forked child cannot use its parent's thread pool

from adapter_workbench.experiments.engine.run import run
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.stream.plan.plan import Plan, make_plan
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import read
from adapter_workbench.workbench.training import trainer  # noqa: F401 - whatever trains imports it, which takes seconds

LONGEST = 1.0


def live(plan: Plan, root: Path, seconds: float | None) -> bool:
    """Run in a child, kill it after ``seconds``; return whether it came to its end before that."""
    child = os.fork()
    if child == 0:
        try:
            run(STUDIES.get(plan.study), plan, Workspace(root), Silent(), "test")
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        return True
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("a run that nobody disturbed did not come to its end")
    return True


def main() -> None:
    """Parse, kill, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("recipe", "tasks", "workspace"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--set", dest="changes", action="append", default=[])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    plan = make_plan(read(given.recipe).set(given.changes), [given.tasks])
    generator, moments, workspaces = random.Random(given.seed), [], 0
    while len(moments) < given.kills:
        root, finished = given.workspace / str(workspaces), False
        workspaces += 1
        while len(moments) < given.kills and not finished:
            moment = generator.uniform(0.01, LONGEST)
            finished = live(plan, root, moment)
            if not finished:
                moments.append(round(moment, 3))
        if not finished:
            live(plan, root, None)
    print(json.dumps({"kills": len(moments), "moments": moments, "workspaces": workspaces}))


if __name__ == "__main__":
    main()
