"""What strangers wrote as programs runs in a process of its own: bounded in time and memory, and started anew."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.backbone.confined import NoAnswerError, _child, ask
from tests.hostile_folder import hostile_folder
from tests.patience import PATIENCE

CHATS = [[{"role": "user", "content": "hello"}]]


def rendered(template: str, seconds: float = 2.0) -> str:
    (text,) = ask("render", seconds, template=template, chats=CHATS, options={"eos_token": "</s>"})
    return str(text)


def test_it_answers_again_after_each_bound() -> None:
    with pytest.raises(NoAnswerError, match=r"0\.1 seconds"):
        rendered("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", 0.1)
    assert rendered("{{ messages[0].content }}{{ eos_token }}") == "hello</s>"
    with pytest.raises(NoAnswerError, match="it needs more than 2 GiB of memory"):
        rendered("{{ 'a' * 10**10 }}")
    assert rendered("a") == "a"


def test_a_process_that_somebody_else_ends_is_started_again() -> None:
    rendered("a")
    child: Any = _child(os.getpid())
    before = child._process
    os.kill(before.pid, signal.SIGKILL)
    assert rendered("b") == "b"
    assert child._process is not before


def test_a_process_that_crashes_is_no_answer() -> None:
    rendered("a")
    child: Any = _child(os.getpid())
    os.kill(child._process.pid, signal.SIGABRT)
    with pytest.raises(NoAnswerError, match="SIGABRT"):
        child.reply(b"", 1.0)
    assert rendered("b") == "b"


def test_an_interrupted_question_leaves_no_answer_for_the_next() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    rendered("a")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            rendered("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", 5.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rendered("c") == "c"


def test_questions_of_several_threads_get_their_own_answers() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rendered, [f"text {n}" for n in range(50)])) == [f"text {n}" for n in range(50)]


def test_it_imports_nothing_from_the_current_folder_and_ends_with_its_parent(tmp_path: Path) -> None:
    folder, canary = hostile_folder(tmp_path)
    program = (
        "import json, os; from adapter_workbench.workbench.backbone.confined import _child, ask; "
        "print(json.dumps(ask('render', 2, template='a', chats=[[]], options={}))); "
        "print(_child(os.getpid())._process.pid, flush=True); os._exit(0)"
    )
    run = [sys.executable, "-P", "-c", program]
    text, pid = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    assert json.loads(text) == ["a"]
    assert not canary.exists()
    for _ in range(20 * int(PATIENCE)):
        if not _runs(int(pid)):
            return
        time.sleep(0.05)
    pytest.fail("the child goes on without its parent")


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
