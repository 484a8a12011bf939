"""Names and files of this project's modules: the four folders at the top are parts of one package."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "adapter_workbench"
FOLDERS = ("workbench", "tasks", "fusion", "experiments")
BESIDE = ("bench", "tests")  # in a checkout alone


def name_of(file: Path) -> str:
    """Return the name of the module, or of the package, at a path from the root."""
    parts = file.with_suffix("").parts
    return ".".join((PACKAGE, *parts) if parts[0] in FOLDERS else parts)


def file_of(module: str) -> Path | None:
    """Return the file of a module; None where it is none of this project's."""
    package, *parts = module.split(".")
    if package not in (PACKAGE, *BESIDE):
        return None
    path = ROOT.joinpath(*(parts if package == PACKAGE and parts and parts[0] in FOLDERS else (package, *parts)))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def house() -> list[Path]:
    """Return the files of what is installed."""
    parts = [file for name in FOLDERS for file in sorted((ROOT / name).rglob("*.py"))]
    return [*parts, *sorted((ROOT / PACKAGE).glob("*.py"))]
