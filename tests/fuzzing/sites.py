"""The folder in which cases are tried: tasks, recipes, tiny models, an adapter, modules that must not be run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from unittest import mock

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from tests.conftest import toy
from tests.fuzzing.promises import SECRET, importable, write_canaries
from tests.fuzzing.senders import WRITERS, SentFolder, sent_folder
from tests.streams import write_recipe
from tests.tiny_models import write_bert, write_llama, write_t5

SECRETS = ("HF_TOKEN", "MLFLOW_TRACKING_PASSWORD")
UNSET = ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI")
WRITE = {"bert": write_bert, "llama": write_llama, "t5": write_t5, "wide": partial(write_bert, vocab_size=700)}


@dataclass(frozen=True)
class Site:
    """Where cases are tried.

    Attributes:
        root: a folder in which nothing else is, so that what is written outside of ``folder`` is seen.
        folder: in which a person works.
        whole: undamaged models and adapters, beside the folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """In which a person works."""
        return self.root / "work"

    def model(self, name: str) -> Path:
        """Return the folder of an undamaged model; it is made when it is first wanted."""
        folder = self.root / "whole" / name
        return folder if folder.exists() else WRITE[name](folder)

    def copy(self, name: str) -> Path:
        """Return a fresh copy of a model's folder, which is called ``model``."""
        shutil.rmtree(self.folder / "model", ignore_errors=True)
        return shutil.copytree(self.model(name), self.folder / "model")

    def sent(self, name: str) -> SentFolder:
        """Return what another program wrote, undamaged; it is made when it is first wanted."""
        return sent_folder(name, self.model(WRITERS[name][0]), self.root / "whole" / f"sent-{name}")

    @cached_property
    def backbone(self) -> Backbone:
        """The undamaged BERT, opened."""
        return open_backbone(str(self.model("bert")))

    @property
    def served(self) -> Path:
        """The workspace in which the undamaged LoRA lies."""
        return self.root / "whole" / "served"

    @property
    def continuing(self) -> Path:
        """The workspace in which an undamaged LoRA of a language model lies, which continues texts."""
        return self.root / "whole" / "continuing"

    @cached_property
    def adapter(self) -> Path:
        """An undamaged LoRA's folder, as its sender wrote it."""
        return _fresh_lora(self.backbone, "classification", self.served)

    @cached_property
    def continuing_adapter(self) -> Path:
        """The folder of an undamaged LoRA of a language model."""
        return _fresh_lora(open_backbone(str(self.model("llama"))), "causal-lm", self.continuing)


def _fresh_lora(backbone: Backbone, kind: str, workspace: Path) -> Path:
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.methods import METHODS
    from adapter_workbench.workbench.methods.stored_model import describe, keep
    from adapter_workbench.workbench.settings.base import Budget

    task = toy(kind)
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    about = describe("sent-lora", task, adaptation, Budget(max_length=16), 0, record)
    model = adaptation.fresh(task.kind, 2, seed=0)
    return keep(model, adaptation, about, AdapterStore(workspace / "adapters")).folder


@contextmanager
def site(root: Path) -> Iterator[Site]:
    """Make the folder, stand in it, and keep caches and settings of whoever tries cases out of it."""
    made = Site(root)
    made.folder.mkdir(parents=True)
    write_recipe(made.folder, made.model("bert"))
    write_canaries(made.folder)
    for name in ("cache", "tmp"):
        (root / name).mkdir()
    own = {"HF_HUB_OFFLINE": "1", "WORKBENCH_CACHE": str(root / "cache"), "COLUMNS": "100", "HOME": str(root / "home")}
    own |= {"TMPDIR": str(root / "tmp"), **dict.fromkeys(SECRETS, SECRET)}
    environment = {name: value for name, value in os.environ.items() if name not in UNSET} | own
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
        stack.enter_context(mock.patch("tempfile.tempdir", str(root / "tmp")))
        stack.enter_context(mock.patch("adapter_workbench.workbench.backbone.prompts.SECONDS", 0.3))
        stack.enter_context(mock.patch("adapter_workbench.workbench.backbone.module_patterns.SECONDS", 0.3))
        stack.enter_context(mock.patch("adapter_workbench.workbench.backbone.tokenizer_bounds.SECONDS", 1.0))
        stack.enter_context(importable(made.folder))
        yield made
