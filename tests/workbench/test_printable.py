import pytest

from adapter_workbench.workbench.errors import (
    InputError,
    Problem,
    SettingsError,
    UnknownNameError,
    WorkError,
    opening,
    reason,
)
from adapter_workbench.workbench.errors.printable import printable, without_credentials


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Grüße, 世界", "Grüße, 世界"),
        ("red \x1b[31m and \x07", "red \\x1b[31m and \\x07"),
        ("a\nb\tc\r", "a b c "),
        ("\ud800 alone", "\\ud800 alone"),
        ("\u202egnirts", "\\u202egnirts"),
        ("می‌خواهم", "می‌خواهم"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(given: str, shown: str) -> None:
    assert printable(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("at http://ann:hunter2@host:80/x, and", "at http://…@host:80/x, and"),
        ("'https://hunter2@host'", "'https://…@host'"),
        ("http://ann:hunt@er2@host", "http://…@host"),
        ("https://host/@ann and ann@host", "https://host/@ann and ann@host"),
    ],
)
def test_a_password_in_an_address_is_not_shown(given: str, shown: str) -> None:
    assert without_credentials(given) == shown
    assert reason(OSError(given)) == shown
    assert str(Problem(given, given, given)) == f"{shown}: {shown}\n  {shown}"
    assert "hunter2" not in str(InputError(f"http://ann:hunter2{'x' * 20_000}@host")), "also where it is cut"


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    shown = printable("a" * 3_900_000 + "z", 100)
    assert len(shown) == 100
    assert shown.startswith("aaa")
    assert shown.endswith("az")


def test_a_message_is_short_whatever_it_quotes() -> None:
    assert len(str(InputError("x" * 20_000, where="y" * 20_000, hint="z" * 20_000))) < 3000
    assert len(str(UnknownNameError("method", "m" * 20_000, ["lora"]))) < 400
    message = str(SettingsError(Problem(f"problem {number}", hint="mend it") for number in range(500)))
    assert len(message.splitlines()) <= 10
    assert message.endswith("… and 496 more")


def test_whatever_a_library_raises_becomes_one_message_with_the_file() -> None:
    message = r"^model: the weights cannot be opened: KeyError: 'layer.0'\n  Save it again.$"
    with pytest.raises(InputError, match=message), opening("the weights", "model", "Save it again."):
        raise KeyError("layer.0")


def test_errors_of_ours_pass_an_opening_as_they_are() -> None:
    with pytest.raises(WorkError, match=r"^broken$"), opening("the weights", "model"):
        raise WorkError("broken")


def test_a_reason_names_the_type_where_the_text_says_little() -> None:
    assert reason(ValueError("no header")) == "no header"
    assert reason(ValueError()) == "ValueError"
    assert reason(TypeError("'int' object is not iterable")) == "TypeError: 'int' object is not iterable"
