"""recipes: of every study, with entries replaced, added and removed, or damaged."""

from __future__ import annotations

from random import Random
from typing import Any

import yaml

from tests.fuzzing.promises import require_promises
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, value

SETTINGS = """
    strategies.isolated.targets strategies.isolated.rank strategies.isolated.learning_rate budget.epochs
    budget.max_length budget.precision budget.quantization seeds tasks backbone reference orders name
""".split()
TARGETS = (r"(\w+\.?)+!", ".*query", "(", "", ["query"], ["nope"], "all-linear", r"(a|a)*$", "**")


def case(site: Site, random: Random) -> bool:
    """Plan a recipe."""
    recipe = yaml.safe_load((site.folder / "stream.yaml").read_text(encoding="utf-8"))
    document: Any = changed(random, random.choice(_studies(recipe)))
    if random.random() < 0.1:
        recipe["strategies"]["isolated"]["targets"] = random.choice(TARGETS)
        document = recipe
    content = yaml.safe_dump(document, allow_unicode=False).encode()
    path = site.folder / "other.yaml"
    path.write_bytes(content if random.random() < 0.85 else damaged(random, content))
    more = ["--set", f"{random.choice(SETTINGS)}={value(random)}"] if random.random() < 0.2 else []
    more = [word.replace("\x00", "").encode(errors="replace").decode() for word in more]
    return not require_promises(site.folder, "run", path.name, "--dry-run", *more).code


def _studies(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a recipe of each study."""
    about = {name: recipe[name] for name in ("name", "backbone", "budget")}
    return [
        recipe | {"frontier": {"isolated": [0.1]}, "probes": ["linear"], "orders": 2, "scenario": "task-incremental"},
        about | {"tasks": ["animals"], "seeds": [0], "methods": {"lora": {"rank": 4}, "all": {"method": "full"}}},
        about
        | {"seeds": [0], "shots": [4], "sources": {"tasks": ["animals", "halves"], "methods": ["lora"]}}
        | {"targets": ["fruits"], "compositions": {"average": {"method": "average"}}, "fresh": [0.1]},
        {"name": "back", "repair": "stream", "entries": ["sequential"], "repairs": {"half": {"repair": "merge-back"}}},
    ]
