"""Documents do not rot: commands are ones that the command line takes, recipes parse, links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
import yaml

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies.stream.plan.entries import About
from adapter_workbench.experiments.studies.stream.plan.given import METHOD
from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Document
from tests.commands import check, commands, in_notebook, in_recipe, in_workflows

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
OWN_TASKS = frozenset({"tickets", "mood", "my-task", "inquiries", "desk"})  # which the documents tell people to make
BEGINNING = (
    "README.md",
    "docs/index.md",
    "docs/tutorials/first-steps.md",
    "docs/tutorials/a-first-stream.md",
    "docs/reference/what-there-is.md",
)
MADE_BY_THE_SITE = ("reference/", "results.md", "contributing.md", "changelog.md")


def results_page() -> str:
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs" / "hooks" / "results.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page(ROOT / "docs"))


def every_command() -> list[tuple[str, str]]:
    pairs = [(page.name, command) for page in PAGES for command in commands(page.read_text(encoding="utf-8"))]
    pairs += [(page.name, command) for page in PAGES for command in in_workflows(page.read_text(encoding="utf-8"))]
    pairs += [(path.name, command) for path in NOTEBOOKS for command in in_notebook(path)]
    pairs += [(name, command) for name in RECIPES.names() for command in in_recipe(RECIPES.path(name))]
    return pairs + [("results.md", command) for command in commands(results_page())]


def test_every_command_would_be_taken() -> None:
    pairs = every_command()
    assert {page.name for page in PAGES if "$ workbench" in page.read_text(encoding="utf-8")} <= {
        name for name, _ in pairs
    }
    assert {path.name for path in NOTEBOOKS} <= {name for name, _ in pairs}
    refused = []
    for document, command in pairs:
        try:
            check(command, OWN_TASKS)
        except Exception as error:
            refused.append(f"{document}: {command}\n    {error}")
    assert not refused, "\n".join(refused)


def test_the_page_of_results_names_programs_as_they_are_called_now() -> None:
    """Files keep the command that made them; of a program that is gone they say which commit had it last."""
    page = results_page()
    assert "$ python -m bench.growth --lengths" in page
    assert "\n7b049a7af1a5 $ python -m experiments.benchmarks.unlearning reasoning-3" in page
    assert "\n582a30de9cdb $ python -m bench.large compare" in page, "as that commit calls it"
    assert [path.name for path in PAGES if "python -m experiments.benchmarks" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "results").glob("*.json")), ids=lambda path: str(path.stem))
def test_a_result_whose_program_is_gone_says_which_commit_has_it(path: Path) -> None:
    made = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    program = re.match(r"python -m (?:experiments\.benchmarks|bench)\.(\w+)", made.get("today", made["command"]))
    lacking = program is not None and not (ROOT / "bench" / f"{program[1]}.py").is_file()
    assert ("gone" in made) == lacking
    assert not lacking or re.fullmatch(r"python -m [\w.]+ at [0-9a-f]{12}", made["gone"])


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```console\n$ workbench nope\n```", "no command called 'nope'"),
        ("```\nworkbench tasks lst\n```", "No such command 'lst'"),
        ("```bash\nworkbench train bbc-news --methd lora\n```", "No such option: --methd"),
        ("```bash\nworkbench train bbc-news --method \\\n  lorra\n```", "no method called 'lorra'"),
        ("`workbench train bbc-new --method lora`", "no task called 'bbc-new'"),
        ("`workbench train bbc-news --method lora --set rnk=3`", "unknown key 'rnk'"),
        ("`workbench train bbc-news --method lora --set budget.epoch=3`", "unknown key 'budget.epoch'"),
        ("`workbench run\nquickstrat`", "no recipe called 'quickstrat'"),
        ("`workbench run quickstart --set budgt.epochs=3`", "unknown key 'budgt'"),
        ("`workbench compare bbc-news --methods lora,lorra`", "'lorra'"),
        ("`workbench fuse 20news-7 --from a,b --method lora`", "'lora'"),
        ("`workbench predict router:prototyp text`", "no router called 'prototyp'"),
        ("`workbench serve --router prototyp`", "no router called 'prototyp'"),
        ("`python -m bench.rnking x`", "No module named"),
        ("`python -m bench.ranking fuse-new-task --outt F`", "No such option: --outt"),
    ],
)
def test_a_command_that_would_fail_is_found(block: str, complaint: str) -> None:
    (command,) = commands(block)
    with pytest.raises(Exception, match=re.escape(complaint)):
        check(command)


def test_the_commands_of_a_workflow_are_found() -> None:
    workflow_commands = [*in_workflows((ROOT / "docs" / "how-to" / "gates.md").read_text(encoding="utf-8"))]
    assert "workbench tasks check tickets" in workflow_commands
    assert [command.split()[1] for command in workflow_commands] == ["tasks", "run", "gate", "train", "adapters"]
    wrong = "```yaml\njobs:\n  one:\n    steps:\n      - run: |\n          workbench gate x --max-forgeting 1\n```"
    (command,) = in_workflows(wrong)
    with pytest.raises(Exception, match="No such option: --max-forgeting"):
        check(command)


def test_recipes_in_the_documents_parse() -> None:
    blocks = [
        block for page in PAGES for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    ]
    recipes = [yaml.safe_load(block) for block in blocks if re.search(r"^name:.*^strategies:", block, re.M | re.S)]
    assert recipes
    for data in recipes:
        recipe = Document(data, data["name"]).parse(Recipe)
        for entry in recipe.strategies.values():
            assert entry["strategy"] in STRATEGIES.names()
            own = set(entry) - {"strategy", "method"}
            assert own <= {
                *About.model_fields,
                *STRATEGIES.get(entry["strategy"]).settings.model_fields,
                *METHODS.get(entry.get("method", METHOD)).settings.model_fields,
            }
        assert recipe.reference in recipe.strategies


def site_path(page: Path, link: str) -> str:
    """Return where in the site a link of a page leads."""
    return os.path.relpath(page.parent / link, ROOT / "docs")


def test_every_file_linked_in_the_documents_exists() -> None:
    for document in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)", document.read_text(encoding="utf-8")):
            made = document.parent != ROOT and site_path(document, link).startswith(MADE_BY_THE_SITE)
            assert made or (document.parent / link).exists(), f"{document.name} links {link}"


def test_readme_is_short_and_names_what_sets_everything_up() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "| `make quickstart` |" in text
    assert "| `make test` |" in text


@pytest.mark.parametrize("name", BEGINNING)
def test_no_cell_of_the_first_pages_is_a_paragraph(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    cells = [cell for line in lines if line.startswith("| ") for cell in line.strip("|").split(" | ")]
    assert not [cell for cell in cells if len(cell.split()) > 35]


def test_the_first_page_is_an_order_of_reading_and_no_list_of_links() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    steps = re.findall(r"^(\d)\. .*?\]\((\S+?)\)", text, re.MULTILINE)
    assert [number for number, _ in steps] == ["1", "2", "3", "4", "5"]
    assert steps[0][1] == "tutorials/first-steps.md"
    assert len(re.findall(r"(?<!!)\[[^\]]+\]\(", text)) <= 16
