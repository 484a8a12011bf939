"""A folder like one that somebody else sent: modules in it have the names of those that programs import."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    "pip", "mlflow", "torch", "numpy", "uvicorn", "flask", "fastapi", "alembic", "sqlalchemy", "json", "random",
    "secrets", "tarfile", "multiprocessing", "pickle", "signal", "struct", "adapter_workbench",
)  # fmt: skip


def hostile_folder(beside: Path) -> tuple[Path, Path]:
    """Return the folder, and the file that is written as soon as one of its modules is imported."""
    folder, canary = beside / "somebody's folder", beside / "canary"
    for name in NAMES:
        package = folder / name
        package.mkdir(parents=True)
        for file in ("__init__.py", "__main__.py"):
            (package / file).write_text(f"open({str(canary)!r}, 'a').write({name!r} + ' ')\n", encoding="utf-8")
    return folder, canary
