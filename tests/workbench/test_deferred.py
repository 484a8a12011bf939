"""Stand-ins: nothing is imported until it is asked for, and whatever is asked for is the real thing."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from workbench.machine.lazy_imports import PUT_OFF, StandIn, put_off, without_collection

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


@pytest.mark.parametrize("module", PUT_OFF)
def test_the_functions_that_are_put_off_are_functions(module: str) -> None:
    """A class or a constant could be used without a call, and would then be another."""
    imported = pytest.importorskip(module)
    for name in PUT_OFF[module]:
        assert callable(getattr(imported, name))
        assert not isinstance(getattr(imported, name), type)


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
