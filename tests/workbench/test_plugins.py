"""Entries that installed distributions add: their code stands in keys, and what cannot be used is named and skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.diagnosis import plugin_findings
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.terminal.registries import extendable
from adapter_workbench.fusion.composing.fuse import composition_code
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.workbench.errors import PluginError
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.probes import PROBES
from adapter_workbench.workbench.settings.plugins import PluginWarning, _complaint, code_behind, imported_code
from adapter_workbench.workbench.settings.registry import named_code
from tests.conftest import environment
from tests.distributions import begin_anew, forget, install
from tests.messages import lacks, naming

METHOD = '''"""queries: only the matrices that make queries are trained."""

from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings
from my_queries.rates import RATE


class Settings(MethodSettings):
    learning_rate: float = RATE


METHOD = Method("Query tuning", "…", "plain", Settings, lambda settings, config: lambda name: ".query." in name)
'''
MODULES = {"my_queries/__init__.py": "", "my_queries/method.py": METHOD, "my_queries/rates.py": "RATE = 5e-4\n"}
ENTRIES = {"methods": {"queries": "my_queries.method:METHOD"}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where installed packages are found."""
    folder = tmp_path / "site"
    folder.mkdir()
    begin_anew(monkeypatch, folder)
    yield folder
    forget(folder)


def test_an_entry_of_a_plugin_stands_in_keys_with_distribution_version_and_digest(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert METHODS.identity("lora") == "lora"
    install(site, "my-queries", MODULES, ENTRIES, version="2.1")
    begin_anew(monkeypatch, site)
    before = METHODS.identity("queries")
    assert before.startswith("queries my-queries 2.1 (sha256:")
    assert METHODS.code("lora+queries") == {"queries": before.removeprefix("queries ")}
    assert METHODS.identity("lora+queries") == before.replace("queries", "lora+queries", 1)
    assert METHODS.identity("lora+full") == "lora+full"
    assert METHODS.describe("queries") == "only the matrices that make queries are trained."
    assert METHODS.get("queries").default_rate == 5e-4
    assert imported_code() == [before.removeprefix("queries ")]

    (site / "my_queries" / "rates.py").write_text("RATE = 5e-1\n", encoding="utf-8")  # a module that it imports
    begin_anew(monkeypatch, site)
    assert METHODS.identity("queries") != before
    (site / "my_queries" / "rates.py").write_text("RATE = 5e-4\n", encoding="utf-8")
    (site / "my_queries" / "__pycache__").mkdir(exist_ok=True)
    (site / "my_queries" / "__pycache__" / "rates.cpython-399.pyc").write_bytes(b"byte code")
    begin_anew(monkeypatch, site)
    assert METHODS.identity("queries") == before


def test_all_modules_that_a_distribution_names_count(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"my_method.py": METHOD.replace("my_queries.rates", "my_rates"), "my_rates.py": "RATE = 1e-3\n"}
    install(site, "two-files", modules, {"methods": {"queries": "my_method:METHOD"}})
    begin_anew(monkeypatch, site)
    before = METHODS.identity("queries")
    (site / "my_rates.py").write_text("RATE = 2e-3\n", encoding="utf-8")
    begin_anew(monkeypatch, site)
    assert METHODS.identity("queries") != before
    assert METHODS.get("queries").default_rate == 2e-3


def test_a_module_of_a_plugin_is_told_from_all_others(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "my-queries", MODULES, ENTRIES)
    begin_anew(monkeypatch, site)
    assert code_behind("my_queries.rates") == METHODS.code("queries")["queries"]
    assert [
        code_behind(name) for name in ("adapter_workbench.workbench.methods.methods", "tests.distributions", "json")
    ] == ["", "", ""]


BROKEN = {
    "not importable": ("raise RuntimeError('on\\nimport')", "it:METHOD", "it:METHOD: on import"),
    "what it imports is missing": (
        "import no_such_package_here",
        "it:METHOD",
        "No module named 'no_such_package_here'",
    ),
    "it ends the process": ("raise SystemExit(3)", "it:METHOD", "it:METHOD: 3"),
    "no such object": ("", "it:METHOD", "module 'it' has no attribute 'METHOD'"),
    "no such module": ("", "that:METHOD", "No module named 'that'"),
    "no object is named": ("", "it METHOD", "'it METHOD' does not name an object, as package.module:OBJECT does"),
    "another type": ("METHOD = 5", "it:METHOD", "it:METHOD is of int, not of Method"),
    "a class": ("class METHOD: pass", "it:METHOD", "it:METHOD is a class; the entry has to be an object of it"),
    "settings of another type": (
        "from adapter_workbench.workbench.methods.method import Method\nMETHOD = Method('', '', 'plain', dict, None)",
        "it:METHOD",
        "the settings of it:METHOD are not a class that extends adapter_workbench.workbench.settings.base.Settings",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_once_and_skipped(site: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    text, value, why = BROKEN[case]
    install(site, "broken-one", {"it.py": text}, {"methods": {"it": value}}, version="0.3")
    begin_anew(monkeypatch, site)
    with pytest.warns(PluginWarning) as warned:
        names = METHODS.names()
    assert METHODS.names() == names
    assert "it" not in names
    assert "lora" in names
    (message,) = [str(warning.message) for warning in warned]
    assert message.startswith("Skipped: method 'it' of broken-one 0.3 cannot be used: ")
    assert why in message
    assert "\n" not in message
    for ask in (METHODS.get, METHODS.require):
        with pytest.raises(PluginError) as refused:
            ask("it", "plan.yaml, line 3")
        assert str(refused.value).startswith("plan.yaml, line 3: method 'it' of broken-one 0.3 cannot be used: ")
        assert refused.value.exit_code == 2


def test_a_protocol_names_what_is_lacking(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        site, "half", {"half.py": "class Half:\n    scope = 'task'\nPROBE = Half()"}, {"probes": {"half": "half:PROBE"}}
    )
    begin_anew(monkeypatch, site)
    with pytest.raises(PluginError, match=naming("half:PROBE is ", "measure, objection, reads_hidden")):
        PROBES.get("half")


def test_a_name_that_is_taken_stays_with_whoever_has_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "a-first", MODULES, {"methods": {"queries": "my_queries.method:METHOD"}})
    install(
        site, "b-second", {}, {"methods": {"queries": "my_queries.method:METHOD", "lora": "my_queries.method:METHOD"}}
    )
    begin_anew(monkeypatch, site)
    with pytest.warns(PluginWarning) as warned:
        names = METHODS.names()
    assert {"lora", "queries"} <= {*names}
    skipped = [str(warning.message) for warning in warned]
    assert len(skipped) == 2
    assert lacks(skipped[0], "method 'lora' of b-second 1.0 ", "the workbench itself") == []
    assert lacks(skipped[1], "method 'queries' of b-second 1.0 ", "a-first 1.0 ") == []
    assert isinstance(METHODS.get("lora"), Method)
    assert METHODS.identity("lora") == "lora"
    assert METHODS.identity("queries").startswith("queries a-first 1.0 ")


def test_what_a_setting_names_counts_where_it_is_a_plugin(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merge = "from adapter_workbench.fusion.methods.average import COMPOSITION\n"
    install(site, "my-merge", {"mine.py": merge}, {"compositions": {"mine": "mine:COMPOSITION"}})
    begin_anew(monkeypatch, site)
    settings = STRATEGIES.get("merged").settings
    assert named_code(settings, {"merge": "svd", "keep": 2}) == {}
    assert named_code(settings, {"merge": "mine", "keep": 2}) == {"merge": COMPOSITIONS.code("mine")["mine"]}
    assert composition_code("mine", COMPOSITIONS.get("mine").settings()) == COMPOSITIONS.code("mine")


def test_every_registry_has_a_group_of_its_own_and_entries_of_its_kind() -> None:
    registries = extendable()
    assert len({registry.group for registry in registries}) == len(registries)
    for registry in registries:
        assert registry.fulfils is not object
        complaints = [_complaint(registry.get(name), registry.fulfils, name) for name in registry.names()]
        assert not any(complaints), registry.group


def test_a_command_names_what_is_broken_in_one_line_and_goes_on(site: Path) -> None:
    install(site, "broken-one", {"it.py": "raise RuntimeError('no')"}, {"methods": {"it": "it:METHOD"}})
    there = environment(PYTHONPATH=os.pathsep.join([str(site), *filter(None, sys.path)]))
    program = [sys.executable, "-c", "from adapter_workbench.experiments.cli import main; main()", "methods", "list"]
    done = subprocess.run(program, env=there, capture_output=True, text=True, check=True)
    assert done.stderr == "Skipped: method 'it' of broken-one 1.0 cannot be used: it:METHOD: no\n"
    assert "lora" in done.stdout


def test_doctor_lists_every_entry_with_its_error_and_groups_that_nobody_reads(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "my-queries", MODULES, ENTRIES)
    entries = {"methods": {"it": "it:METHOD"}, "rows": {"mine": "it:rows"}, "strategy": {"ewc-2": "it:STRATEGY"}}
    install(site, "broken-one", {"it.py": "raise RuntimeError('no')"}, entries)
    begin_anew(monkeypatch, site)
    findings = {finding.name: finding for finding in plugin_findings(extendable())}
    assert findings["method queries"].works
    assert findings["method queries"].detail == METHODS.code("queries")["queries"]
    assert findings["method it"].detail == "method 'it' of broken-one 1.0 cannot be used: it:METHOD: no"
    assert findings["rows mine"].detail == "rows 'mine' of broken-one 1.0 cannot be used: it:rows: no"
    assert findings["method it"].remedy
    assert findings["adapter_workbench.strategy"].detail == "nothing reads this group of entry points (ewc-2)"
    assert "adapter_workbench.strategies" in findings["adapter_workbench.strategy"].remedy
    assert not any(finding.needed for finding in findings.values())
