"""Kill a command of the workbench just before each change that it makes on disk, and run it again.

    python -m tests.killed FOLDER [--at os.rename,fsync] [--asking "predict TASK TEXT"] -- tasks update TASK …

Each life is a forked child that runs the command in a copy of FOLDER; imports are done once, by a life that is not
killed. What was opened for writing just before a kill is cut to half its size, as if the kill had come while it was
written. Prints one JSON document: the changes; those at which it was killed; and what was then not as it has to be.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import re
import select
import shlex
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import torch

torch.set_num_threads(1)  # a forked child cannot use its parent's thread pool

from adapter_workbench.experiments.cli import main as workbench
from adapter_workbench.workbench.files.atomic import UNFINISHED

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR
Change = tuple[str, str]  # an event of Python's audit, or "fsync"; a path below the folder
Files = dict[str, bytes]


class Clock:
    """A clock that stands still: versions of a task hold the time at which they were made."""

    @staticmethod
    def now(zone: Any) -> Any:
        """Return the same moment, always."""
        from datetime import datetime

        return datetime(2026, 1, 1, tzinfo=zone)


def run(arguments: Sequence[str]) -> str:
    """Run a command in this process and this folder, and return what it prints; raises SystemExit if it fails."""
    with redirect_stdout(io.StringIO()) as out, patch.object(sys, "argv", ["workbench", *arguments]):
        try:
            workbench()
        except SystemExit as leaving:
            if leaving.code:
                raise
    return out.getvalue()


def live(arguments: Sequence[str], folder: Path, killed_at: int | None = None) -> tuple[list[Change], str]:
    """Run a command in a child; return the changes that it made, and what it printed.

    Args:
        arguments: of the command.
        folder: that it runs in, and whose changes count.
        killed_at: number of the change that it does not live to make; nothing is returned then.

    Raises:
        ChildProcessError: it failed, or came to its end before that change.
    """
    lived = lived_until(arguments, folder, killed_at)
    if lived and killed_at is not None:
        raise ChildProcessError(f"{shlex.join(arguments)} came to its end, to be killed at {killed_at}")
    return lived or ([], "")


def lived_until(
    arguments: Sequence[str], folder: Path, killed_at: int | None = None, seconds: float | None = None
) -> tuple[list[Change], str] | None:
    """Run a command in a child, and kill it before a change, or after so many seconds; return None if it was killed.

    Otherwise return the changes that it made, and what it printed; raises ChildProcessError if it failed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live(arguments, folder, killed_at, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor
        if seconds is not None and not select.select([pipe], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
        content = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status:
        raise ChildProcessError(f"{shlex.join(arguments)} ended with {status}: {content[-4000:].decode()}")
    changes, printed = pickle.loads(content)
    return changes, printed


def _live(arguments: Sequence[str], folder: Path, killed_at: int | None, writing: int) -> NoReturn:
    seen: list[Change] = []

    def meet(change: Change) -> None:
        seen.append(change)
        if len(seen) - 1 == killed_at:
            if killed_at and seen[-2][0] == "open":
                with suppress(FileNotFoundError):
                    os.truncate(folder / seen[-2][1], (folder / seen[-2][1]).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        os.chdir(folder)
        _watch(folder, meet)
        printed = run(arguments)
        os.write(writing, pickle.dumps((seen, printed)))
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        os.write(writing, "".join(traceback.format_exception(error))[-3500:].encode())
        os._exit(70)
    os._exit(0)


def _watch(folder: Path, meet: Callable[[Change], None]) -> None:
    """Have each change in the folder met just before it is made, for the rest of the process."""
    root, synced = f"{folder.resolve()}{os.sep}", os.fsync

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES and not (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100  # a Path would be slow here
            if path.startswith(root):
                meet((event, path.removeprefix(root)))

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        if path.startswith(root):
            meet(("fsync", path.removeprefix(root)))
        synced(descriptor)

    os.fsync = fsync
    sys.addaudithook(hear)


def contents(folder: Path) -> Files:
    """Return path → bytes of all files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finished(files: Files) -> Files:
    """Return the files that readers see: none in a folder that is being written, and no locks."""
    return {path: content for path, content in files.items() if not any(map(_is_unfinished, path.split("/")))}


def _is_unfinished(name: str) -> bool:
    return UNFINISHED.fullmatch(name) is not None or name == ".lock"


@dataclass(frozen=True)
class Question:
    """What is asked, and of which files.

    Attributes:
        arguments: of the command that is killed.
        template: a folder that it runs in copies of.
        at: the events before which it is killed; all if there are none.
        every: it is also killed before each change whose number is a multiple of this one; 0: only at the events.
        asking: a command whose answer is that of before, or that of afterwards.
        kept: paths of files that no kill may change, and that are as they are to be once they are there.
        compared: paths of files that are afterwards as if there had been no kill.
    """

    arguments: Sequence[str]
    template: Path
    at: Sequence[str]
    every: int
    asking: Sequence[str]
    kept: re.Pattern[str]
    compared: re.Pattern[str]

    def kills(self, number: int, event: str) -> bool:
        return not self.at or event in self.at or (self.every > 0 and number % self.every == 0)

    def answer(self, folder: Path) -> str:
        return live(self.asking, folder)[1] if self.asking else ""


def matching(files: Files, pattern: re.Pattern[str]) -> Files:
    """Return the files whose paths match."""
    return {path: content for path, content in files.items() if pattern.fullmatch(path)}


def differing(files: Files, others: Files) -> list[str]:
    """Return the paths of files that are not the same in both."""
    return [path for path in {**files, **others} if files.get(path) != others.get(path)]


def faults(question: Question, number: int, folder: Path, before: Files, whole: Files, answers: list[str]) -> list[str]:
    """Kill the command in a folder, and run it again; return what was not as it has to be."""
    live(question.arguments, folder, killed_at=number)
    after_kill = contents(folder)
    kept, visible = matching(before, question.kept), matching(finished(after_kill), question.kept)
    found = [f"lost or changed: {path}" for path in kept if visible.get(path) != kept[path]]
    for path, content in matching(visible, question.compared).items():
        if path not in before and content != whole.get(path):
            found.append(f"neither missing nor new: {path}")
    if question.answer(folder) not in answers:
        found.append("another answer")
    live(question.arguments, folder)
    again = contents(folder)
    found += [f"made anew: {path}" for path in visible if again.get(path) != visible[path]]
    found += [f"left half-written: {path}" for path in again if any(map(UNFINISHED.fullmatch, path.split("/")))]
    pair = matching(again, question.compared), matching(whole, question.compared)
    found += [f"other than without a kill: {path}" for path in differing(*pair)]
    if question.answer(folder) != answers[-1]:
        found.append("another answer at the end")
    return found


def tried(question: Question) -> dict[str, Any]:
    """Kill the command at each of the changes; return the document."""
    template = question.template
    lives = Path(tempfile.mkdtemp(dir=template.parent))

    def copied(name: str) -> Path:
        return Path(shutil.copytree(template, lives / name))

    os.chdir(copied("imports"))
    for command in filter(None, (question.asking, question.arguments)):
        run(command)
    before, unkilled = finished(contents(template)), copied("unkilled")
    answers = [question.answer(unkilled)]
    changes, _ = live(question.arguments, unkilled)
    answers.append(question.answer(unkilled))
    whole = contents(unkilled)
    numbers = [number for number, (event, _) in enumerate(changes) if question.kills(number, event)]
    wrong: list[str] = []
    for number in numbers:
        folder = copied(str(number))
        found = faults(question, number, folder, before, whole, answers)
        wrong += [f"killed at {number} {changes[number]}: {fault}" for fault in found]
        shutil.rmtree(folder)
    return {"changes": changes, "killed": numbers, "wrong": wrong, "answers": answers}


def main() -> None:
    """Parse, kill, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at", default="", help="events, with commas; all without it")
    parser.add_argument("--every", type=int, default=0, metavar="N", help="kill before each N-th change, too")
    parser.add_argument("--asking", default="", help="a command whose answer no kill may change")
    parser.add_argument("--kept", type=re.compile, default=".*", help="paths of files that no kill may change")
    parser.add_argument("--compared", type=re.compile, default=".*", help="paths of files that end as without a kill")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    at, asking = [event for event in given.at.split(",") if event], shlex.split(given.asking)
    question = Question(given.command, given.folder.resolve(), at, given.every, asking, given.kept, given.compared)
    clock = patch("adapter_workbench.tasks.updating.new_files.datetime", Clock)
    checkpoints = patch("adapter_workbench.workbench.training.best_epoch.CHECKPOINT_SECONDS", 0.0)
    with clock, checkpoints:
        print(json.dumps(tried(question)))


if __name__ == "__main__":
    main()
