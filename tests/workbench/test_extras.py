"""What is said where the package of an extra is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoConfig

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.tasks.reading.sheets import open_sheet
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine import extras
from adapter_workbench.workbench.machine.extras import absence, installed_version
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods, require_possible


@pytest.fixture
def without_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    original = installed_version
    for module in (
        "adapter_workbench.workbench.machine.extras",
        "adapter_workbench.workbench.machine.package_versions",
    ):
        monkeypatch.setattr(f"{module}.installed_version", lambda name: None if name == "adapters" else original(name))


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-such-package").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert extras.installed_version("no-such-package") is None
    assert installed_version("torch")


@pytest.mark.usefixtures("without_adapters")
class TestWithoutAdapters:
    @pytest.mark.parametrize("name", ["pfeiffer", "prefix", "compacter", "unipelt", "s4", "loreft", "lora+pfeiffer"])
    def test_a_method_says_what_to_install(self, name: str, bert: Path) -> None:
        card, config = METHODS.get(name), AutoConfig.from_pretrained(bert)
        config.num_hidden_layers = 4
        with pytest.raises(InputError, match="adapters is not installed") as caught:
            require_possible(name, card.settings(), config, "classification")
        assert "pip install 'adapter-workbench[adapters]'" in str(caught.value)
        assert "lora" in str(caught.value), "and which methods work"

    def test_others_work(self, bert: Path) -> None:
        config = AutoConfig.from_pretrained(bert)
        possible = possible_methods(config, "classification")
        assert {"full", "lora", "ia3", "bitfit"} <= {*possible}
        assert "pfeiffer" not in possible
        require_possible("lora+bitfit", METHODS.get("lora+bitfit").settings(), config, "classification")

    @pytest.mark.parametrize("library", ["adapters", "adapterfusion"])
    def test_a_stored_adapter_says_so_too(self, library: str) -> None:
        with pytest.raises(InputError, match="adapters is not installed"):
            LIBRARIES.get(library)

    def test_versions_are_those_that_are_there(self) -> None:
        assert "adapters" not in versions()
        assert versions()["torch"] == installed_version("torch")
        assert absence("adapters")


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.machine.extras.installed_version", lambda name: None)


@pytest.mark.usefixtures("without_extras")
class TestWithoutExtras:
    @pytest.mark.parametrize("name", ["lorahub", "mix-search", "evolve"])
    def test_a_composition_that_searches_says_what_to_install(self, name: str) -> None:
        card = COMPOSITIONS.get(name)
        with pytest.raises(InputError, match="the package cma is not installed") as caught:
            card.require_sources(2, card.settings())
        assert "pip install 'adapter-workbench[search]'" in str(caught.value)
        COMPOSITIONS.get("average").require_sources(2, COMPOSITIONS.get("average").settings())

    def test_a_workbook_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.xlsx"
        path.write_bytes(b"PK")
        with pytest.raises(InputError, match=r"openpyxl is not installed, and .*rows\.xlsx"), open_sheet(path):
            pass
