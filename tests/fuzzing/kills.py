"""kills: commands that write, killed at random moments and again; the same command goes on and ends as an unkilled one.

A life is a forked child of this process, which has imported everything. It is killed after a random time, or just
before one of the changes that it makes on disk, with what it was writing cut to half its size. This kind has to be
alone in its process: a child that is forked from one with threads may hang.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

from adapter_workbench.workbench.files.atomic import UNFINISHED
from adapter_workbench.workbench.files.cache import cache_folder
from tests.damage import VIEWS
from tests.fuzzing.counted import COUNTED
from tests.fuzzing.sites import Site
from tests.killed import Change, Clock, Files, contents, lived_until, run
from tests.streams import write_recipe
from tests.updating_folder import UPDATE, write_task

FEW = ["--set", "budget={epochs: 2, max_length: 16, precision: fp32, batch_size: 8, train_examples: 24}"]
SPACE = ["--workspace", "space"]
STREAM = ["tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1", "budget.train_examples=24", "reference=shared"]
STREAM += ["strategies={shared: {strategy: sequential, method: lora, learning_rate: 0.02}}"]
OWN = re.compile(  # compared by none; a life in which nothing is left to train writes no pace
    r"(.*/)?(mlflow\.db.*|mlartifacts(/.*)?|claims(/.*)?|\.?lock|.*\.lock|system(/.*)?|pace\.jsonl)"
)
TIMES = re.compile(r"\d+([.,:]\d+)*")
MOST_KILLS = 3


@dataclass(frozen=True)
class Victim:
    """A command that is killed.

    Attributes:
        prepare: writes what it begins with into a folder.
        arguments: of the command.
    """

    prepare: Callable[[Site, Path], None]
    arguments: Sequence[str]


@dataclass(frozen=True)
class Unkilled:
    """What a command does that nobody kills.

    Attributes:
        template: a folder that it runs in copies of.
        changes: that it makes on disk.
        seconds: that it takes.
        before: files of the template.
        after: files that two runs write alike.
        names: files that both leave behind, whatever is in them.
        printed: what it prints, but for numbers.
    """

    template: Path
    changes: list[Change]
    seconds: float
    before: Files
    after: Files
    names: set[str]
    printed: str


def case(site: Site, random: Random) -> bool:
    """Kill a command up to three times, let it come to its end, and compare that with a run that nobody killed."""
    return killed(site, random.choice([*VICTIMS]), random)


def prepare(site: Site, random: Random) -> None:
    """Import what the command of a case imports, and see what it does that nobody kills."""
    with _everything_else_stands_still():
        _unkilled(site, random.choice([*VICTIMS]))


def killed(site: Site, name: str, random: Random) -> bool:
    """Do it with one of the commands; return whether it was killed at all."""
    with _everything_else_stands_still():
        unkilled = _unkilled(site, name)
        arguments, folder = VICTIMS[name].arguments, _copied(site, unkilled.template)
        kills = 0
        for _ in range(random.randint(1, MOST_KILLS)):
            if random.random() < 0.5:
                life = lived_until(arguments, folder, killed_at=random.randrange(len(unkilled.changes)))
            else:
                life = lived_until(arguments, folder, seconds=random.uniform(0, unkilled.seconds))
            kills += life is None
            _require_nothing_half_written(unkilled, _visible(contents(folder)))
            if life is not None:
                break
        life = lived_until(arguments, folder)
        assert life is not None, "it was killed by somebody else"
        printed = TIMES.sub("#", life[1])
        assert _alike(printed, unkilled.printed), f"printed:\n{printed}\nwithout a kill:\n{unkilled.printed}"
        _require_ended_alike(unkilled, contents(folder))
        _require_no_drafts(folder, cache_folder(), Path(tempfile.gettempdir()))
    COUNTED[name] += kills
    return kills > 0


@contextmanager
def _everything_else_stands_still() -> Iterator[None]:
    """Let no clock run for versions of tasks, write checkpoints at each step, and do not wait for the disk."""
    with (
        _nothing_on_the_screen(),
        mock.patch("adapter_workbench.tasks.updating.new_files.datetime", Clock),
        mock.patch("adapter_workbench.workbench.training.best_epoch.CHECKPOINT_SECONDS", 0.0),
        mock.patch("os.fsync", lambda descriptor: None),
    ):
        yield


@contextmanager
def _nothing_on_the_screen() -> Iterator[None]:
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@cache
def _unkilled(site: Site, name: str) -> Unkilled:
    """Run the command twice in copies of the same folder, at the same path."""
    victim, template = VICTIMS[name], site.root / "whole" / f"killed-{name}"
    template.mkdir(parents=True)
    victim.prepare(site, template)
    run_in(_copied(site, template, f"imports-{name}"), victim.arguments)  # children are forked with what it imports
    runs = []
    for _ in range(2):
        folder, begun = _copied(site, template), time.perf_counter()
        life = lived_until(victim.arguments, folder)
        assert life is not None
        runs.append((life, time.perf_counter() - begun, _visible(contents(folder))))
        time.sleep(1.1)  # files that hold the time differ
    (one, seconds, files), (_, _, again) = runs
    alike = {path: content for path, content in files.items() if again.get(path) == content}
    names = files.keys() & again.keys()
    return Unkilled(template, one[0], seconds, _visible(contents(template)), alike, {*names}, TIMES.sub("#", one[1]))


def _copied(site: Site, template: Path, name: str = "lives") -> Path:
    folder = site.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(template, folder))


def _visible(files: Files) -> Files:
    """Return the files that readers see, but for tables and figures, which each run writes anew."""
    return {
        path: content
        for path, content in files.items()
        if not (OWN.fullmatch(path) or VIEWS.fullmatch(path.rpartition("/")[2]) or _is_draft(path))
    }


def _is_draft(path: str) -> bool:
    return any(map(UNFINISHED.fullmatch, path.split("/")))


def _require_nothing_half_written(unkilled: Unkilled, visible: Files) -> None:
    """Make sure that what was there is as before or as afterwards, and that what is new is as afterwards."""
    for path, content in visible.items():
        known = [files[path] for files in (unkilled.before, unkilled.after) if path in files]
        compared = path in unkilled.after or path not in unkilled.names
        if known and compared and not path.startswith("space/scratch/"):
            assert content in known, f"half-written: {path}"
    lost = unkilled.before.keys() - visible.keys() - (unkilled.before.keys() - unkilled.names)
    assert not lost, f"lost: {sorted(lost)}"


def _require_ended_alike(unkilled: Unkilled, files: Files) -> None:
    visible = _visible(files)
    assert visible.keys() >= unkilled.names, f"missing: {sorted(unkilled.names - visible.keys())}"
    strange = {path for path in visible.keys() - unkilled.names if not re.search(r"[0-9a-f]{12,}", path)}
    assert not strange, f"left behind: {sorted(strange)}"
    other = [path for path, content in unkilled.after.items() if visible.get(path) != content]
    assert not other, f"other than without a kill: {sorted(other)}"


def _require_no_drafts(*folders: Path) -> None:
    drafts = [
        path for folder in folders for path in folder.rglob("*") if _is_draft(path.relative_to(folder).as_posix())
    ]
    temporary = [path for path in folders[-1].iterdir() if path.name.startswith(("tmp", "workbench"))]
    assert not drafts + temporary, f"drafts: {drafts + temporary}"


def _alike(printed: str, wanted: str) -> bool:
    """Return whether the last line is the same; what was done before a kill is said otherwise above it."""
    return printed.strip().splitlines()[-1:] == wanted.strip().splitlines()[-1:]


def _sent(site: Site, folder: Path) -> None:
    shutil.copytree(site.sent("whole").folder, folder / "sent")


def _updated(site: Site, folder: Path) -> None:
    write_task(folder)
    add = ["add", "tickets", "--backbone", str(site.model("bert")), "--set", "learning_rate=0.02"]
    run_in(folder, [*add, *FEW, *SPACE], UPDATE)


def _streamed(site: Site, folder: Path) -> None:
    write_recipe(folder, site.model("bert"))


def _learned(site: Site, folder: Path) -> None:
    _streamed(site, folder)
    run_in(folder, RUN)


def _trained(site: Site, folder: Path) -> None:
    _streamed(site, folder)
    trained = ["--method", "lora", "--backbone", str(site.model("bert")), "--set", "learning_rate=0.02", *FEW, *SPACE]
    run_in(folder, ["train", "animals", *trained], ["train", "halves", *trained])


def run_in(folder: Path, *commands: Sequence[str]) -> None:
    """Run commands in a folder, in this process: what they import is there for children that are forked."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        for command in commands:
            run(command)
    finally:
        os.chdir(before)


RUN = ["run", "stream.yaml", *(word for setting in STREAM for word in ("--set", setting)), *SPACE]
FUSE = ["fuse", "fruits", "--from", "auto:2", "--method", "average", "--shots", "4", "--no-full", *SPACE]
FUSE += ["--set", "budget.epochs=1", "--set", "budget.max_length=16", "--set", "budget.precision=fp32"]
VICTIMS = {
    "import": Victim(_sent, ["adapters", "import", "sent", "--name", "fruit", *SPACE]),
    "update": Victim(_updated, ["update", "tickets", "--how", "continue", "--accept-loss", *SPACE]),
    "fuse": Victim(_trained, FUSE),
    "repair": Victim(_learned, ["repair", "stream", "--method", "refit-head,merge-back", *SPACE]),
    "run": Victim(_streamed, RUN),
}
