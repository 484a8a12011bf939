"""Stand-ins: nothing is imported until it is asked for, and whatever is asked for is the real thing."""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from adapter_workbench.workbench.machine.lazy_imports import (
    PUT_OFF,
    MarkingFinder,
    StandIn,
    marked_later,
    put_off,
    without_collection,
)

NAME = "slow_to_import"
BODY = """
DONE = []

def double(number):
    return 2 * number

class Thing:
    pass
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package with one module, which nobody has imported yet."""
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "__init__.py").write_text(BODY)
    (tmp_path / NAME / "parts.py").write_text(BODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield NAME
    for name in [module for module in sys.modules if module.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_stand_in_gives_what_the_module_has_when_it_is_asked(slow: str) -> None:
    with put_off({slow: ()}):
        import slow_to_import as kept

        assert isinstance(kept, StandIn)
        assert find_spec(slow) is not None
    assert slow not in sys.modules
    assert kept.double(4) == 8
    assert kept.Thing is sys.modules[slow].Thing
    assert not isinstance(sys.modules[slow], StandIn)


def test_a_function_is_put_off_until_it_is_called(slow: str) -> None:
    with put_off({f"{slow}.parts": ("double",)}):
        from slow_to_import.parts import double
    assert slow not in sys.modules
    assert double(21) == 42
    assert f"{slow}.parts" in sys.modules


def test_what_is_no_function_to_put_off_comes_at_once(slow: str) -> None:
    with put_off({f"{slow}.parts": ("double",)}):
        from slow_to_import.parts import Thing

        assert isinstance(Thing, type)
    assert Thing is sys.modules[f"{slow}.parts"].Thing


def test_a_look_at_all_modules_imports_none(slow: str) -> None:
    with put_off({slow: (), f"{slow}.parts": ()}):
        stand_ins = [module for module in list(sys.modules.values()) if isinstance(module, StandIn)]
        assert len(stand_ins) == 2
        assert not any(hasattr(stand_in, "__file__") for stand_in in stand_ins)  # as inspect.getmodule asks
        assert isinstance(sys.modules[slow], StandIn)


def test_what_is_there_already_or_not_installed_gets_no_stand_in(slow: str) -> None:
    import slow_to_import as imported

    with put_off({slow: (), "no_such_package": ()}):
        assert sys.modules[slow] is imported
        assert "no_such_package" not in sys.modules
        with pytest.raises(ImportError):
            import no_such_package  # noqa: F401


def test_an_unknown_attribute_is_an_error_that_names_it(slow: str) -> None:
    with put_off({slow: ()}):
        import slow_to_import as kept
    with pytest.raises(AttributeError, match="nothing_such"):
        kept.nothing_such  # noqa: B018


CALLED_BY = {"TransformGetItemToIndex": "transformers.masking_utils"}  # a class → the only module that it is put off in


@pytest.mark.parametrize("module", PUT_OFF)
def test_what_is_put_off_is_called_and_nothing_else(module: str) -> None:
    """A class or a constant could be used without a call, and would then be another."""
    imported = pytest.importorskip(module)
    for name in PUT_OFF[module]:
        assert callable(getattr(imported, name))
        if isinstance(getattr(imported, name), type):
            tree = ast.parse(Path(str(import_module(CALLED_BY[name]).__file__)).read_text(encoding="utf-8"))
            uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
            calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
            assert uses
            assert all(use in calls for use in uses)


def test_a_mark_is_set_when_the_module_is_loaded(slow: str) -> None:
    """``double`` of the module stands for the mark; it is told what is marked, and what it returns is not used."""
    with (Path(import_module(slow).__path__[0]) / "parts.py").open("a", encoding="utf-8") as file:
        file.write("\ndef mark(function):\n    DONE.append(function)\n    return None\n")
    with marked_later(slow, "parts", "mark"):
        assert sys.modules[slow].parts.mark(len) is len
        assert f"{slow}.parts" not in sys.modules
    assert not hasattr(sys.modules[slow], "parts")
    parts = import_module(f"{slow}.parts")
    assert [len] == parts.DONE
    assert not any(isinstance(finder, MarkingFinder) for finder in sys.meta_path)


def test_what_else_is_asked_of_a_module_with_marks_is_its_own(slow: str) -> None:
    with marked_later(slow, "parts", "double"):
        assert sys.modules[slow].parts.double(2) == 2
        assert sys.modules[slow].parts.Thing is sys.modules[f"{slow}.parts"].Thing
        assert sys.modules[slow].parts.double(2) == 4  # the module itself from here on
    assert sys.modules[slow].parts is sys.modules[f"{slow}.parts"]


def test_a_module_that_is_there_is_marked_at_once(slow: str) -> None:
    parts = import_module(f"{slow}.parts")
    with marked_later(slow, "parts", "double"), marked_later(slow, "nothing_such", "double"):
        assert sys.modules[slow].parts is parts


def test_garbage_is_collected_again_after_an_import() -> None:
    collected = gc.isenabled()
    with pytest.raises(RuntimeError), without_collection():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled() == collected
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled(), "whoever switched it off wants it off"
    finally:
        gc.enable()
