"""permissions: each command where files and folders may not be read or written: one message, and nothing half-done.

Modes are taken away from everything, from one part, or from a few files. Root reads and writes whatever modes say, by
capabilities that this thread does without meanwhile.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

from adapter_workbench.workbench.files.atomic import UNFINISHED
from tests.fuzzing.kills import FEW, FUSE, RUN, run_in
from tests.fuzzing.promises import CODES, SECRET, Outcome, changes, command, content, require_no_control, require_short
from tests.fuzzing.sites import Site
from tests.read_only import read_only, with_modes
from tests.streams import write_recipe

SPACE = ["--workspace", "space"]
TRAINED = ["--method", "lora", "--backbone", "BACKBONE", "--set", "learning_rate=0.02", *FEW, *SPACE]
COMMANDS = (
    *(["adapters", name, *SPACE] for name in ("list", "verify")),
    *(["adapters", name, "ADAPTER", *SPACE] for name in ("show", "verify", "register", "remove")),
    ["adapters", "export", "ADAPTER", "out", *SPACE],
    ["adapters", "export", "ADAPTER", "space/out", "--merge", *SPACE],
    ["adapters", "convert", "ADAPTER", "--rank", "2", *SPACE],
    ["adapters", "import", "sent", "--name", "fruit", *SPACE],
    ["adapters", "import", "sent", "--name", "fruit", "--link", *SPACE],
    ["adapters", "test", "ADAPTER", "--task", "animals", *SPACE],
    ["adapters", "compare", "ADAPTER", "OTHER", "--html", "out.html", *SPACE],
    ["adapters", "promote", "animals.lora", "--to", "1", *SPACE],
    ["adapters", "rollback", "animals.lora", *SPACE],
    ["add", "halves", *TRAINED],
    ["train", "fruits", *TRAINED],
    ["train", "animals", *TRAINED],
    ["update", "animals", *SPACE],
    ["compare", "fruits", "--methods", "head,lora", "--seeds", "1", "--backbone", "BACKBONE", *FEW, *SPACE],
    FUSE,
    RUN,
    [*RUN, "--dry-run"],
    [*RUN, "--set", "budget.epochs=2"],
    ["repair", "stream", "--method", "refit-head", *SPACE],
    ["report", *SPACE],
    ["report", "stream", *SPACE],
    ["report", "stream", "--html", "out.html", "--overwrite", *SPACE],
    ["report", "stream", "--csv", "tables", *SPACE],
    ["report", "stream", "--log", *SPACE],
    ["gate", "ADAPTER", "--min-score", "0.1", *SPACE],
    ["gate", "stream", "--min-average", "0.1", *SPACE],
    ["evaluate", "ADAPTER", "--file", "rows.csv", "--out", "out.csv", *SPACE],
    ["predict", "ADAPTER", "the cat", *SPACE],
    ["predict", "animals", "--file", "rows.csv", "--out", "out.csv", "--overwrite", *SPACE],
    ["predict", "router:prototype", "the cat", "--among", "ADAPTER,OTHER", *SPACE],
    ["drift", "animals", "--file", "rows.csv", *SPACE],
    ["examine", "BACKBONE", "BACKBONE", "--task", "animals", "--probes", "knn", "--out", "out.json", *SPACE],
    ["doctor", "--offline", *SPACE],
    ["serve", "animals", *SPACE],
    ["ui", *SPACE],
    ["tasks", "list"],
    *(["tasks", name, "animals"] for name in ("show", "check", "history")),
    ["tasks", "new", "fresh", "--from", "rows.csv", "--yes"],
    ["tasks", "update", "halves", "--from", "rows.csv"],
    ["tasks", "diff", "animals", "halves"],
    ["backbones", "show", "BACKBONE"],
    ["plan", "--model-config", "BACKBONE", "--method", "lora"],
    ["recipes", "check", "stream.yaml"],
)
PARTS = (
    "",
    "space",
    "tasks",
    "space/adapters",
    "space/mlflow.db",
    "space/evaluations",
    "space/experiments",
    "sent",
    "space/asked",
)
GROWING = re.compile(r"mlflow\.db|pace\.jsonl|space/experiments/stream/")  # what was there is kept under another name
MODES = (0o000, 0o444, 0o555, 0o111, 0o400)
ROWS = "text,label\n" + "".join(
    f"the {word} often,{label}\n" for word, label in (("cat", "first"), ("plum", "second")) * 6
)


def case(site: Site, random: Random) -> bool:
    """Take modes away in a copy of a workspace that has everything, and call a command there."""
    template = _finished(site)
    folder = site.folder / "kept"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    adapters = sorted(path.name for path in (folder / "space" / "adapters").iterdir() if not path.name.startswith("."))
    words = {"ADAPTER": adapters[0], "OTHER": adapters[-1], "BACKBONE": str(site.model("bert"))}
    given = [",".join(words.get(part, part) for part in word.split(",")) for word in random.choice(COMMANDS)]
    outcome = _called(random, site, folder, given)
    shown = f"{given} → {outcome.code}\n{outcome.err[-2500:]}"
    drafts = [path for path in folder.rglob("*") if UNFINISHED.fullmatch(path.name)]
    assert not drafts, f"half-written: {drafts}, {shown}"
    return not outcome.code


def _called(random: Random, site: Site, folder: Path, given: list[str]) -> Outcome:
    """Call the command, and make sure of what holds whatever it may read and write."""
    before_folder = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        before = content(folder)
        with _nothing_served(), _without(random, site, folder) as is_whole:
            outcome = command(*given)
        after = content(folder)
    finally:
        os.chdir(before_folder)
    shown = f"{given} → {outcome.code}\n{outcome.err[-3500:]}"
    assert outcome.code in CODES, shown
    assert "Traceback" not in outcome.err, shown
    assert SECRET not in outcome.out + outcome.err, shown
    require_no_control(outcome.err)
    if outcome.code in (1, 2):
        assert outcome.err.strip(), f"nothing was said: {shown}"
        require_short("\n".join(line for line in outcome.err.splitlines() if " · " not in line)[-5000:] or "x")
    if is_whole:
        assert after == before, f"something was changed: {changes(before, after)}, {shown}"
    if outcome.code == 2:  # a part that may not be written is met when results of the command are there already
        lost = [path for path in before if after.get(path) != before[path] and not GROWING.search(path)]
        assert not lost, f"changed or lost: {lost}, {shown}"
    return outcome


@contextmanager
def _without(random: Random, site: Site, folder: Path) -> Iterator[bool]:
    """Take modes away from everything, a part, or a few files; yield whether nothing at all may be written."""
    act = random.random()
    if act < 0.3:
        with read_only(folder):
            yield True
        return
    if act < 0.65:
        part = folder / random.choice(PARTS)
        with read_only(part if part.exists() else folder / "space"):
            yield False
        return
    places = [folder, *folder.rglob("*")]
    if act < 0.75:
        places += [Path(site.root / "cache"), Path(site.root / "tmp"), *(site.root / "cache").rglob("*")]
    chosen = random.sample(sorted(places), random.choice([1, 1, 2, 5]))
    with with_modes({path: random.choice(MODES) for path in chosen}):
        yield False


@contextmanager
def _nothing_served() -> Iterator[None]:
    """Have servers end as soon as they listen."""
    with ExitStack() as stack:
        stack.enter_context(
            mock.patch("adapter_workbench.experiments.answers.http_server.server.serve", lambda *_, **__: True)
        )
        stack.enter_context(mock.patch("adapter_workbench.experiments.cli.ui._serve", lambda *_, **__: None))
        stack.enter_context(mock.patch("os.fsync", lambda descriptor: None))
        yield


@cache
def _finished(site: Site) -> Path:
    """Return a folder with tasks, adapters, a stream that has ended, and a model that somebody sent.

    It is made where its copies will be: MLflow's database holds paths.
    """
    folder = site.folder / "kept"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    backbone = str(site.model("bert"))
    write_recipe(folder, Path(backbone))
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    shutil.copytree(site.sent("whole").folder, folder / "sent")
    trained = [word.replace("BACKBONE", backbone) for word in TRAINED]
    run_in(folder, RUN, ["train", "animals", "--register", *trained], ["train", "halves", *trained])
    return folder.rename(site.root / "whole" / "finished")
