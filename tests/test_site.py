"""The documentation builds without a warning, says all that the registries know, and fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.cli import COMMANDS
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.core.quantity import Quantity
from adapter_workbench.experiments.studies.core.reference import declared_by
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.tasks.task_file.task_file import Columns, Splits, TaskFile
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.probes import PROBES

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.acceptance
FETCHED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^\"'>\s]+|@import|fonts\.g")


def declared_in(study: str) -> list[Quantity[Any]]:
    return [quantity for declared in declared_by(STUDIES.get(study)) for quantity in declared.quantities]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_reference_names_every_entry(site: Path) -> None:
    pages = {
        "methods": METHODS.names(),
        "strategies": STRATEGIES.names(),
        "ways": WAYS.names(),
        "probes": PROBES.names(),
        "compositions": COMPOSITIONS.names(),
        "recipes": RECIPES.names(),
        "tasks": registry.names(),
        "quantities": [quantity.name for study in STUDIES.names() for quantity in declared_in(study)],
        "command-line": [f"workbench {name}" for name in COMMANDS.names()],
    }
    for page, names in pages.items():
        text = (site / "reference" / page / "index.html").read_text(encoding="utf-8")
        assert not [name for name in names if f"<code>{name}</code>" not in text], page


def test_the_page_about_task_files_names_every_key(site: Path) -> None:
    text = (site / "how-to" / "task-files" / "index.html").read_text(encoding="utf-8")
    models = [TaskFile, Columns, Splits, *(SOURCES.get(name).settings for name in SOURCES.names() if name != "version")]
    assert not [key for model in models for key in model.model_fields if f"<code>{key}</code>" not in text]


def test_nothing_is_fetched_from_elsewhere_and_no_machine_is_named(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not FETCHED.search(text.replace('<link rel="canonical"', "")), page
        assert str(ROOT) not in text, page
