"""Experiments: recipes, strategies, runs, reports, and the command line. The top of the house."""

from importlib.util import find_spec
from pathlib import Path

for _name in ("workbench", "tasks", "fusion"):
    _spec = find_spec(_name)
    if _spec is None or _spec.origin is None:  # a folder of task files, say, hides a package installed for editing
        import adapter_workbench  # noqa: F401 - finds the packages beside it
    elif Path(_spec.origin).resolve().parents[1] != Path(__file__).resolve().parents[1]:
        raise ImportError(
            f"{_spec.origin} stands in the way of the Adapter Workbench's own package {_name!r}: rename it, or begin "
            "with `import adapter_workbench`"
        )
