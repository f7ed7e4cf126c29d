"""What class numbers mean is decided once for a whole file; compared with a plain model of how the file was made."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.project.class_references import ClassNumbers, as_class_numbers, read_class_references
from pipeline.project.label_space import ClassInfo, LabelSpace, label_space_from_keys

ANIMALS = ["ant", "bee", "cat", "dog", "eel"]
FROM_1 = [str(number) for number in range(1, 6)]
PADDED = [f"{number:03d}" for number in range(1, 6)]


def read(keys: list[str], values: list[str], numbers: ClassNumbers = "auto") -> list[int | None]:
    reading = read_class_references(set(values), label_space_from_keys(keys), "images.csv", numbers)
    return [reading.index_of.get(value) for value in values]


@pytest.mark.parametrize(
    ("keys", "values", "expected"),
    [
        (FROM_1, ["1", "2", "3", "4"], [0, 1, 2, 3]),  # all are keys
        (FROM_1, ["0", "1", "2", "3"], [0, 1, 2, 3]),  # 0 is not a key, so these are indices
        (PADDED, ["1", "2", "3", "4"], [0, 1, 2, 3]),  # a spreadsheet removed the zeros
        (PADDED, ["001", "2"], [0, 1]),
        (PADDED, ["0", "1", "4"], [0, 1, 4]),
        (ANIMALS, ["0", "1", "2", "3", "4"], [0, 1, 2, 3, 4]),
        (ANIMALS, ["1", "2", "3", "4", "5"], [0, 1, 2, 3, 4]),  # 5 classes, no 0: counted from 1
        (ANIMALS, ["0.0", "3.0"], [0, 3]),  # pandas, where a label is missing
        (ANIMALS, ["-1", "0", "2"], [None, 0, 2]),
        (ANIMALS, ["0", "7"], [0, None]),
        (ANIMALS, ["ant", "wolf"], [0, None]),
        (ANIMALS, ["9" * 30], [None]),
        (["1e3", "1000", "007", "7"], ["7", "007", "1000", "1e3"], [3, 2, 1, 0]),
        (["10", "9", "1"], ["1", "9", "10"], [2, 1, 0]),
        (["0", "1", "10", "2"], ["0", "1", "2", "10"], [0, 1, 3, 2]),
    ],
)
def test_the_whole_column_tells_what_its_numbers_are(
    keys: list[str], values: list[str], expected: list[int | None]
) -> None:
    assert read(keys, values) == expected


@pytest.mark.parametrize(
    ("keys", "values", "options"),
    [
        (ANIMALS, ["1", "2", "3", "4"], ("from-0", "from-1")),
        (FROM_1, ["0", "1", "2", "3", "4", "5"], ("keys", "from-0")),
    ],
)
def test_numbers_that_fit_two_readings_are_refused_with_the_options_that_force_one(
    keys: list[str], values: list[str], options: tuple[ClassNumbers, ClassNumbers]
) -> None:
    with pytest.raises(DatasetError, match=r"images\.csv: its class numbers .* fit two readings") as caught:
        read(keys, values)
    for option in options:
        assert f"--class-numbers {option}" in str(caught.value)
    first, second = (read(keys, values, option) for option in options)
    assert first != second


@given(st.data(), st.sampled_from(["keys", "from-0", "from-1"]), st.integers(2, 30))
def test_no_file_is_read_as_other_classes_than_it_was_made_with_unless_it_says_so(
    data: st.DataObject, made: ClassNumbers, n_classes: int
) -> None:
    """Whoever numbers classes in one way gets these classes, an error, or a warning that there is another reading."""
    first = data.draw(st.sampled_from([0, 1, 7]))
    keys = [str(number + first) for number in range(n_classes)]
    if made != "keys":
        keys = data.draw(st.sampled_from([keys, [f"c{key}" for key in keys]]))
    meant = data.draw(st.lists(st.integers(0, n_classes - 1), min_size=1, unique=True))
    assume(made == "keys" or 2 * len(meant) >= n_classes)
    written = [keys[i] if made == "keys" else str(i + (made == "from-1")) for i in meant]
    # If all numbers are keys, they are read as keys, whatever was meant: only other data can tell (see the next test).
    assume(made == "keys" or not set(written) <= set(keys))
    try:
        found = read(keys, written)
    except DatasetError as error:
        assert "fit two readings" in str(error)  # noqa: PT017 - either outcome is right
        assert read(keys, written, made) == meant
        return
    assert found == meant


def test_other_data_decide_what_is_open_and_stop_what_they_contradict() -> None:
    def speaks_for(shift: int, value: str = "2"):
        return lambda index_of: 20 if index_of.get(value) == int(value) - shift else 1

    animals, numbers = label_space_from_keys(ANIMALS), label_space_from_keys(FROM_1)
    values = ["1", "2", "3", "4"]
    for shift in (0, 1):
        reading = read_class_references(values, animals, "labels.json", agreement=speaks_for(shift))
        assert reading.index_of["3"] == 3 - shift
        assert "20 as" in reading.told
    assert read_class_references(values, numbers, "labels.json", agreement=speaks_for(1)).index_of["3"] == 2
    with pytest.raises(DatasetError, match=r"1 as keys, 20 as indices counted from 0; say which with --class-numbers"):
        read_class_references(values, numbers, "labels.json", agreement=speaks_for(0))
    with pytest.raises(DatasetError, match="fit two readings"):  # both agree equally well: nothing is decided
        read_class_references(values, animals, "labels.json", agreement=lambda _: 3)


def test_words_are_keys_or_where_none_is_one_names_of_one_class_each() -> None:
    names = ["tench", "crane", "crane"]
    space = LabelSpace(tuple(ClassInfo(i, f"n{i}", name) for i, name in enumerate(names)))
    assert read_class_references({"n1", "n2"}, space, "x").index_of == {"n1": 1, "n2": 2}
    assert read_class_references({"tench"}, space, "x").index_of == {"tench": 0}
    assert read_class_references({"tench", "crane"}, space, "x").index_of == {}
    assert read_class_references({"tench", "n2"}, space, "x").index_of == {"n2": 2}


def test_what_was_decided_is_said_with_its_reason() -> None:
    space = label_space_from_keys(PADDED, "flowers")
    told = read_class_references(["1", "5"], space, "images.csv").told
    assert told.startswith("images.csv: class numbers (1 to 5) are read as keys without their leading zeros")
    assert "1 is '001'" in told
    assert read_class_references(["001x"], space, "images.csv").told == ""


def test_an_unknown_way_of_reading_is_named_with_the_known_ones() -> None:
    with pytest.raises(DatasetError, match="auto, keys, from-0, from-1"):
        as_class_numbers("zero")
