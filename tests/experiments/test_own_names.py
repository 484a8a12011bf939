"""An installation has one name: a person's own tasks, fusion, experiments and workbench stay what they are."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ("workbench", "tasks", "fusion", "experiments")
OURS = "adapter_workbench"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages to which the wheel was unpacked, as pip does."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    source = folder / "source"
    source.mkdir()
    for name in (*OWN, OURS, "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)  # setuptools writes beside its sources
    subprocess.run([*build, "--wheel-dir", str(folder), str(source)], check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "packages")
    return folder / "packages"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of a person that has all four names."""
    for name in OWN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"whose = 'mine: {name}'\n", encoding="utf-8")
    return tmp_path


def python(folder: Path, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a person's folder, which comes first on the path, and without this checkout."""
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{installed}"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


def test_one_name_is_installed(installed: Path) -> None:
    assert sorted(path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")) == [OURS]
    assert {*OWN, "py.typed", "__init__.py"} <= {path.name for path in (installed / OURS).iterdir()}
    assert not any(path.is_symlink() for path in installed.rglob("*"))


@pytest.mark.parametrize("ours_first", [True, False])
def test_neither_stands_in_the_way_of_the_other(ours_first: bool, project: Path, installed: Path) -> None:
    ours = "from adapter_workbench import ForgettingCallback, Workbench"
    own = f"import {', '.join(OWN)}"
    program = "\n".join([ours, own] if ours_first else [own, ours])
    program += f"\nprint(*[module.whose for module in ({', '.join(OWN)})], sep='; ')\n"
    program += "print(Workbench.__module__, ForgettingCallback.__module__)"
    done = python(project, installed, "-c", program)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "; ".join(f"mine: {name}" for name in OWN)
    assert [module.partition(".")[0] for module in second.split()] == [OURS, OURS]


def test_the_command_runs_beside_them(project: Path, installed: Path) -> None:
    (project / "experiments" / "__init__.py").write_text("raise SystemExit('the file of a person was run')\n")
    done = python(project, installed, "-m", OURS, "compositions", "list", "--json")
    assert (done.returncode, '"ties"' in done.stdout) == (0, True), done.stderr
    done = python(project, installed, "-m", OURS, "tasks", "list", "--json")
    assert (done.returncode, "bbc-news" in done.stdout) == (0, True), done.stderr


def test_the_rest_of_the_package_is_named_by_nothing(installed: Path, tmp_path: Path) -> None:
    program = "import sys, adapter_workbench\nprint(*adapter_workbench.__all__)\nprint({'torch'} & {*sys.modules})\n"
    done = python(tmp_path, installed, "-c", f"{program}adapter_workbench.Nothing")
    names = "AGEM ELLA EWC OSF DERPlusPlus ForgettingCallback InfLoRA KeepCloseTo L2ToStart LwF NLoRA OLoRA"
    names += " RemedyCallback SDLoRA SEQStar TreeLoRA Workbench with_replay"
    assert done.stdout == f"{names}\nset()\n"
    assert done.stderr.splitlines()[-1].endswith("has no attribute 'Nothing'")


def test_a_model_that_0_2_logged_finds_its_loader(installed: Path, tmp_path: Path) -> None:
    """Its ``MLmodel`` names one of these modules, and MLflow imports that."""
    program = (
        "import adapter_workbench.models_of_0_2, importlib\n"
        "found = [importlib.import_module(f'workbench.{name}') for name in ('logged_model', 'mlflow.loader')]\n"
        "print({module.__name__ for module in found})"
    )
    done = python(tmp_path, installed, "-c", program)
    assert done.stdout == "{'adapter_workbench.workbench.mlflow.loader'}\n", done.stderr
