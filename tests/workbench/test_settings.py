"""Every way a settings file or ``--set`` can be wrong, and what the person who reads the message is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from adapter_workbench.workbench.errors import InputError, SettingsError
from adapter_workbench.workbench.settings.base import Budget, Document, Settings, read
from adapter_workbench.workbench.settings.bounds import require_seed
from tests.messages import naming


class Plan(Settings):
    name: str
    tasks: tuple[str, ...] = ()
    budget: Budget = Budget()
    budgets: dict[str, Budget] = {}  # noqa: RUF012 # pydantic copies defaults
    alpha: float = 1.0


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "plan.yaml"
    path.write_text("# a plan\nname: first\ntasks: [a, b]\nbudget:\n  epochs: 2\n  batch_size: 4\n", encoding="utf-8")
    return read(path)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "plan.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_document_becomes_a_frozen_model(document: Document) -> None:
    plan = document.parse(Plan)
    assert plan == Plan(name="first", tasks=("a", "b"), budget=Budget(epochs=2, batch_size=4))
    with pytest.raises(ValidationError, match="frozen"):
        plan.name = "second"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        plan.budget.epochs = 5  # type: ignore[misc]


def test_an_unknown_key_is_named_with_its_line_and_its_neighbour(tmp_path: Path) -> None:
    path = written(tmp_path, "name: x\n\nbudget:\n  epochs: 1\n  bacth_size: 8\n")
    with pytest.raises(SettingsError) as caught:
        read(path).parse(Plan)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}, line 5"
    assert problem.what == "unknown key 'budget.bacth_size'"
    assert problem.hint is not None
    assert problem.hint.startswith("Did you mean batch_size? Available: balanced, batch_size, ")
    assert caught.value.exit_code == 2


def test_a_misspelled_part_is_proposed_although_its_model_stands_beside(tmp_path: Path) -> None:
    class Method(Settings):
        targets: str = "attention"

    document = Document({}, "command line").set(["budgets.epochs=2"])
    with pytest.raises(SettingsError) as caught:
        document.parse_parts(((), document.data, Method), (("budget",), {}, Budget))
    (problem,) = caught.value.problems
    assert (problem.what, problem.hint) == ("unknown key 'budgets'", "Did you mean budget?")


def test_all_problems_of_a_file_come_in_one_message(tmp_path: Path) -> None:
    path = written(tmp_path, "tsks: [a]\ntasks: 3\nbudget:\n  epochs: 0\n  precision: fp16\nalpha: much\n")
    with pytest.raises(SettingsError) as caught:
        read(path).parse(Plan)
    places = {problem.what.split("'")[1]: problem.where for problem in caught.value.problems}
    assert places == {
        "tsks": f"{path}, line 1",
        "tasks": f"{path}, line 2",
        "budget.epochs": f"{path}, line 4",
        "budget.precision": f"{path}, line 5",
        "alpha": f"{path}, line 6",
        "name": str(path),  # what is missing has no line of its own
    }
    message = str(caught.value)
    assert all(str(problem) in message for problem in caught.value.problems)
    assert "(got 0)" in message
    assert "(got 'much')" in message
    assert "'name' is missing" in message


def test_a_missing_key_of_a_part_points_at_the_part(tmp_path: Path) -> None:
    class Outer(Settings):
        inner: Plan

    path = written(tmp_path, "\n\ninner:\n  alpha: 2\n")
    with pytest.raises(SettingsError) as caught:
        read(path).parse(Outer)
    assert str(caught.value) == f"{path}, line 3: 'inner.name' is missing"


def test_lines_inside_lists_are_known(tmp_path: Path) -> None:
    path = written(tmp_path, "name: x\ntasks:\n  - good\n  - {bad: 1}\n")
    with pytest.raises(SettingsError) as caught:
        read(path).parse(Plan)
    assert [problem.where for problem in caught.value.problems] == [f"{path}, line 4"]


def test_a_part_is_parsed_with_the_lines_of_its_document(tmp_path: Path) -> None:
    document = read(written(tmp_path, "strategies:\n  one:\n    epohcs: 3\n"))
    with pytest.raises(SettingsError) as caught:
        document.parse_part(("strategies", "one"), document.data["strategies"]["one"], Budget)
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.endswith("plan.yaml, line 3")
    assert problem.what == "unknown key 'strategies.one.epohcs'"
    assert "Did you mean epochs" in (problem.hint or "")


def test_suggestions_inside_a_mapping_of_models(tmp_path: Path) -> None:
    path = written(tmp_path, "name: x\nbudgets:\n  small:\n    epohcs: 3\n")
    with pytest.raises(SettingsError) as caught:
        read(path).parse(Plan)
    assert caught.value.problems[0].where == f"{path}, line 4"
    assert "Did you mean epochs" in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "holds"),
    [
        ("name=other", lambda plan: plan.name == "other"),
        ("budget.epochs=7", lambda plan: plan.budget == Budget(epochs=7, batch_size=4)),
        ("budget.patience=null", lambda plan: plan.budget.patience is None),
        ("budget.balanced=true", lambda plan: plan.budget.balanced is True),
        ("tasks=[c, d, e]", lambda plan: plan.tasks == ("c", "d", "e")),
        ("alpha=1e-3", lambda plan: plan.alpha == 0.001),  # YAML 1.1 reads this as a string
        ("name=a=b", lambda plan: plan.name == "a=b"),
        ("budgets.small.epochs=9", lambda plan: plan.budgets["small"].epochs == 9),
    ],
)
def test_set_reads_values_as_yaml_at_any_depth(document: Document, assignment: str, holds: object) -> None:
    assert callable(holds)
    changed = document.set([assignment])
    assert holds(changed.parse(Plan))
    assert document.parse(Plan).name == "first", "the document itself is not changed"
    assert "small" not in document.data.get("budgets", {})


def test_set_leaves_the_original_alone_at_depth(document: Document) -> None:
    document.set(["budget.epochs=7"])
    assert document.data["budget"]["epochs"] == 2


def test_the_last_of_two_assignments_wins(document: Document) -> None:
    plan = document.set(["budget.epochs=5"]).set(["budget.epochs=6", "budget.epochs=8"]).parse(Plan)
    assert plan.budget.epochs == 8


def test_a_wrong_value_from_the_command_line_is_traced_to_it(document: Document) -> None:
    with pytest.raises(SettingsError) as caught:
        document.set(["budget.epochs=none", "budget.bacth_size=3"]).parse(Plan)
    places = {problem.where for problem in caught.value.problems}
    assert places == {"--set budget.epochs=none", "--set budget.bacth_size=3"}


@pytest.mark.parametrize("assignment", ["budget.epochs", "=3", ""])
def test_an_assignment_without_a_key_or_value_is_refused(document: Document, assignment: str) -> None:
    with pytest.raises(InputError, match=r"--set: expected key=value"):
        document.set([assignment])


def test_an_assignment_through_a_value_is_refused(document: Document) -> None:
    with pytest.raises(InputError, match=naming("--set name.first=x: 'name' is a single value")):
        document.set(["name.first=x"])
    with pytest.raises(InputError, match="'tasks' is a single value"):
        document.set(["tasks.0=x"])


def test_an_assignment_that_is_not_yaml_is_refused(document: Document) -> None:
    with pytest.raises(InputError, match="--set tasks="):
        document.set(["tasks=[a, b"])


def test_a_place_falls_back_to_the_nearest_known_one(document: Document) -> None:
    assert document.where("budget", "epochs").endswith("plan.yaml, line 5")
    assert document.where("budget", "patience").endswith("plan.yaml, line 4")
    assert document.where("nowhere") == document.origin
    assert document.where() == document.origin
    assert document.set(["budget.patience=1"]).where("budget", "patience") == "--set budget.patience=1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\ntasks: [a\n", "line 3: not YAML"),
        ("name: x\n\tbudget: 1\n", "line 2: not YAML"),
        ("name: !!python/object:os.system {}\n", "line 1: not YAML"),
        ("- a\n- b\n", "expected a mapping"),
        ("just words\n", "expected a mapping"),
        ("", "expected a mapping"),
        (b"name: caf\xe9\n", "cannot read this file"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(written(tmp_path, text))
    assert "plan.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("date", ["2026-11-26", "2026-13-45"])
def test_a_date_is_the_text_that_stands_there(tmp_path: Path, date: str) -> None:
    assert read(written(tmp_path, f"name: {date}\n")).parse(Plan).name == date


def test_a_list_that_holds_itself_is_an_input_error_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plan\.yaml"):
        read(written(tmp_path, "name: &a [*a]\n")).parse(Plan)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plan\.yaml, line 2"):
        read(written(tmp_path, "name: x\nname: y\n")).parse(Plan)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"no such file|is a folder"):
        read(tmp_path / name)


@given(
    examples=st.integers(1, 500),
    drawn=st.none() | st.integers(1, 600),
    batch=st.integers(1, 64),
    accumulation=st.integers(1, 8),
    epochs=st.integers(1, 4),
    processes=st.integers(1, 3),
)
def test_updates_counts_optimiser_steps(
    examples: int, drawn: int | None, batch: int, accumulation: int, epochs: int, processes: int
) -> None:
    budget = Budget(train_examples=drawn, batch_size=batch, gradient_accumulation=accumulation, epochs=epochs)
    steps = 0
    for _ in range(epochs):  # the loop that a trainer runs
        remaining = min(examples, drawn) if drawn else examples
        while remaining > 0:
            remaining -= batch * accumulation * processes
            steps += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(processes))  # each takes a batch of its own
        assert budget.updates(budget.drawn(examples)) == steps


class TestNumbers:
    def test_a_bound_outlives_another_default(self) -> None:
        class Base(Settings):
            rate: float = Field(0.1, gt=0, le=1)

        class Other(Base):
            rate: float = 0.5

        class Wider(Base):
            rate: float = Field(0.5, ge=0)

        assert Other().rate == 0.5
        for value in (0, 2):
            with pytest.raises(ValidationError):
                Other(rate=value)
        assert Wider(rate=0).rate == 0, "a bound of one's own counts"
        with pytest.raises(ValidationError):
            Wider(rate=2)

    @pytest.mark.parametrize("given", [{"epochs": True}, {"train_examples": False}])
    def test_a_truth_value_is_no_number(self, given: dict[str, object]) -> None:
        with pytest.raises(SettingsError, match="not a truth value"):
            Document({"name": "x", "budget": given}, "f").parse(Plan)

    def test_truth_values_are_found_at_any_depth(self) -> None:
        class Deep(Settings):
            one: float | tuple[float, ...] = 1.0
            many: dict[str, tuple[int, ...]] = Field(default_factory=dict)
            type: int = 0
            either: str | float | None = None

        for wrong in ({"one": [1, True]}, {"many": {"a": [True]}}, {"type": True}, {"either": True}):
            with pytest.raises(SettingsError) as caught:
                Document(wrong, "f").parse(Deep)
            assert len(caught.value.problems) == 1
        assert [Deep(either=value).either for value in ("0.5", 0.5, None)] == ["0.5", 0.5, None]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "nan", "1e999"])
    def test_numbers_are_finite(self, value: object) -> None:
        with pytest.raises(SettingsError, match="finite"):
            Document({"name": "x", "alpha": value}, "f").parse(Plan)

    @pytest.mark.parametrize("seed", [-1, 2**32, True, 1.5, "1"])
    def test_seeds_are_what_every_library_takes(self, seed: int) -> None:
        with pytest.raises(InputError, match=naming("seed", "from 0 to 4294967295")):
            require_seed(seed)
        assert require_seed(2**32 - 1) == 2**32 - 1


def test_a_key_that_stands_elsewhere_is_told_with_its_place() -> None:
    with pytest.raises(SettingsError) as caught:
        Document({"name": "x", "epochs": 3, "epohs": 2}, "f").parse(Plan)
    assert [problem.hint for problem in caught.value.problems] == ["Did you mean budget.epochs?"] * 2


def test_all_assignments_that_cannot_be_read_come_in_one_message(document: Document) -> None:
    wrong = ["a..b=1", ".=1", "name", "tasks=[a", "name.first=x", "a\udcff=1", f"{'a.' * 20}b=1", "alpha=&a [*a]"]
    with pytest.raises(SettingsError) as caught:
        document.set(wrong)
    assert len(caught.value.problems) == len(wrong)


def test_what_was_set_as_a_whole_or_in_part_is_where_its_mistakes_are(document: Document) -> None:
    changed = document.set(["budget={epochs: 0}", "foo.bar=1", "tasks=[1]"])
    assert changed.where("budget", "epochs") == "--set budget={epochs: 0}"
    assert changed.where("foo") == "--set foo.bar=1"
    assert changed.where("tasks", 0) == "--set tasks=[1]"


def test_a_setting_that_a_later_one_replaced_is_not_named() -> None:
    document = Document({"budget": {"epochs": 3}}, "recipe.yaml", {("budget",): 1, ("budget", "epochs"): 2})
    changed = document.set(["budget.epochs=4", "budget={epochs: 0}"])
    assert changed.where("budget", "epochs") == "--set budget={epochs: 0}"
    assert changed.set(["budget.epochs=5"]).where("budget", "epochs") == "--set budget.epochs=5"


def test_what_can_be_looked_up_is_told_whatever_else_is_wrong() -> None:
    document = Document({"tasks": ["a", 1, "b"], "parts": {"x": {"y": 1}, "z": 3, 4: {}}, "name": 5}, "f")
    assert document.names("tasks") == [(0, "a"), (2, "b")]
    assert document.labels("parts") == ["x", "z"]
    assert document.entries("parts") == {"x": {"y": 1}}
    assert (document.text("name"), document.text("tasks")) == (None, None)
    assert (document.names("name"), document.labels("name"), document.entries("nowhere", "deep")) == ([], [], {})


@pytest.mark.parametrize(("given", "expected"), [("per_seed", "'per-seed'"), (0, "greater than")])
def test_a_wrong_word_is_compared_with_words_and_a_wrong_number_with_numbers(given: object, expected: str) -> None:
    class Either(Settings):
        first: Literal["per-seed"] | Annotated[int, Field(ge=1)] = 1
        second: Annotated[int, Field(ge=1)] | Literal["per-seed"] | tuple[str, ...] = 1

    with pytest.raises(SettingsError) as error:
        Document({"first": given, "second": given}, "f").parse(Either)
    assert [expected in str(problem) for problem in error.value.problems] == [True, True]


@pytest.mark.parametrize("given", [{"a": 1}, {}, [[1]], "two", None])
def test_a_value_that_may_be_of_several_types_is_named_by_its_key_alone(given: object) -> None:
    class Either(Settings):
        orders: int | tuple[str, ...] = 1

    with pytest.raises(SettingsError) as error:
        Document({"orders": given}, "f").parse(Either)
    keys = {str(problem).split("'")[1] for problem in error.value.problems}
    assert keys <= {"orders", "orders.0"}
