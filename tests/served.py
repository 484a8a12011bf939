"""``workbench serve`` in a process of its own on loopback, as its clients meet it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.predictor import OpenedAdapter, answers_of, rows_of, with_options
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.methods.stored_model import backbone_of
from tests.conftest import environment
from tests.patience import PATIENCE


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        address: its HOST:PORT.
        process: of the server; what it writes can be read once it has ended.
    """

    address: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Its address, as a browser takes it."""
        return f"http://{self.address}"


@contextmanager
def serving(command: str, workspace: Workspace, key: str = "") -> Iterator[Server]:
    """Run a ``workbench serve …`` on a free port, and yield it as soon as it answers; it ends in order.

    Args:
        command: without port and workspace.
        workspace: that is served.
        key: what requests have to bring; none where it is empty.
    """
    program, *arguments = shlex.split(command)
    assert program == "workbench"
    if key:
        file = workspace.root.with_name("key")
        file.write_text(key)
        arguments += ["--api-key-file", str(file)]
    given = [*arguments, "--port", "0", "--workspace", str(workspace.root)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from adapter_workbench.experiments.cli import main; main()", *given],
        cwd=workspace.root,
        env=environment(PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        match = re.search(r" at http://(\S+:\d+) ", line)
        assert match, line + process.stderr.read()
        yield Server(match[1], process)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def write_chatting_llama(folder: Path, llama: Path) -> Path:
    """Write a tiny LLaMA whose tokenizer begins each text with a token, and has a template for chats."""
    from tokenizers import processors

    from adapter_workbench.workbench.backbone.names import open_backbone

    shutil.copytree(llama, folder)
    tokenizer: Any = open_backbone(str(folder)).tokenizer
    own = tokenizer.backend_tokenizer
    own.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    tokenizer.bos_token = "[CLS]"
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ {'system': 'this', 'user': 'the', 'assistant': 'some'}[m.role] }} "
        "{{ m.content }} {% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    return folder


def chatting_workspace(folder: Path, tasks: Sequence[str]) -> Workspace:
    """Return a workspace with a LoRA of one language model for each task, and ``animals``, which a label answers."""
    from adapter_workbench.workbench.backbone.names import open_backbone
    from tests.conftest import FRUITS, SUBJECTS, make_copying, make_task
    from tests.experiments.serving.conftest import train
    from tests.tiny_models import write_llama

    backbone = open_backbone(str(write_chatting_llama(folder / "chatting", write_llama(folder / "llama"))))
    workspace = Workspace(folder / "workspace")
    for seed, name in enumerate(tasks):
        train(workspace, backbone, make_copying(name), seed=seed)
    train(workspace, backbone, make_task("animals", SUBJECTS, FRUITS, 16))
    return workspace


def opened_by_task(workspace: Workspace) -> dict[str, OpenedAdapter]:
    """Return each task's adapter, opened by itself and without a server."""
    stored = [workspace.adapters.get(name) for name in workspace.adapters.ids()]
    return {adapter.manifest.task.name: OpenedAdapter.open(adapter, backbone_of(adapter)) for adapter in stored}


def own_answer(opened: OpenedAdapter, text: str, **options: Any) -> str:
    """Return what an adapter answers to a text, with some of the options of :class:`.AnswerOptions`."""
    rows = with_options(rows_of([text], opened.adapter.manifest.task), AnswerOptions(**options))
    (answer,) = answers_of(opened.model, opened.adapter, rows, opened.backbone)
    return answer.words
