"""Which class a file means by `7`: the class whose key is 7, the eighth, or the seventh. Decided once for a whole file.

A single cell cannot tell. All values of a column (or all classes of a label file) together usually can. If all numbers
are keys, they are read as keys. A 0 shows that they count from 0; a value equal to the number of classes shows that
they count from 1. Numbers that match keys such as `007` except for the zeros went through a spreadsheet. What still
fits two readings is compared with other data where there is any. Otherwise it is refused, and the message names the
options that force a reading.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from pipeline.errors import DatasetError
from pipeline.project.label_space import LabelSpace

#: How class numbers are read: as all of them together suggest, or as a person says.
ClassNumbers = Literal["auto", "keys", "from-0", "from-1"]
#: On how many images a reading of class references agrees with other data about them.
Agreement = Callable[[Mapping[str, int]], int]
OPTION = "--class-numbers"

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
#: A whole number as pandas writes it when another value of its column is missing.
_WITH_ZERO_FRACTION = re.compile(r"(-?\d{1,18})\.0+", re.ASCII)
_WORDS = {
    "keys": "keys",
    "bare keys": "keys without their leading zeros",
    "from-0": "indices counted from 0",
    "from-1": "numbers counted from 1",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the class references of one file mean.

    Parameters
    ----------
    index_of
        From reference, settled (:func:`pipeline.project.names.settled`), to class index; unknown ones are absent.
    told
        How the file's numbers are read and why, in words; empty where it has no numbers.
    """

    index_of: Mapping[str, int]
    told: str = ""


def is_clearly_more(n: int, other: int) -> bool:
    """Tell whether so many more images support one reading than the other that chance does not explain it."""
    return n >= 2 * other + 3


def as_class_numbers(value: str) -> ClassNumbers:
    """Return how to read class numbers, from what a person typed; raise `DatasetError` if there is no such way."""
    known = get_args(ClassNumbers)
    if value not in known:
        raise DatasetError(f"{OPTION} {value!r}: class numbers are read in one of the ways {', '.join(known)}")
    return cast(ClassNumbers, value)


def read_class_references(
    values: Collection[str],
    space: LabelSpace,
    where: object,
    numbers: ClassNumbers = "auto",
    agreement: Agreement | None = None,
) -> Reading:
    """Decide what all class references of one file mean.

    Words are read as keys. Where none of them is a key and each is the name of exactly one class, they are names.

    Parameters
    ----------
    values
        Every distinct reference of the file, settled.
    where
        The file (and its column), for messages.
    numbers
        Forces how numbers are read.
    agreement
        Compares a reading with other data, such as the models' first predictions.

    Raises
    ------
    DatasetError
        If the numbers fit two readings, or other data clearly contradict the reading. A single reference that is not a
        class is no error: it is left out of ``index_of``.
    """
    numbered = sorted((number, value) for value in values if (number := _number(value)) is not None)
    figures = {value: number for number, value in numbered}
    words = _of_words({value for value in values if value not in figures}, space)
    if not figures:
        return Reading(words)
    readings = _readings(figures, space)
    if numbers != "auto":
        forced = "bare keys" if numbers == "keys" and not readings["keys"] and "bare keys" in readings else numbers
        told = f"{where}: class numbers are {_WORDS[forced]}, as {OPTION} says"
        return Reading(words | readings.get(forced, {}), told)
    most = max(map(len, readings.values()))
    if not most:
        return Reading(words)
    how, *rivals = _distinct({how: found for how, found in readings.items() if len(found) == most})
    is_open = bool(rivals) and not (how.endswith("keys") and most == len(figures))
    why = _why(how, figures, readings, space)
    if rivals and agreement:
        n_agreeing = {name: agreement(words | readings[name]) for name in (how, *rivals)}
        best = max(n_agreeing, key=n_agreeing.__getitem__)
        others = max(n for name, n in n_agreeing.items() if name != best)
        if is_clearly_more(n_agreeing[best], others):
            counts = ", ".join(f"{n:,} as {_WORDS[name]}" for name, n in n_agreeing.items())
            if best != how and not is_open:
                fits = {name: readings[name] for name in (how, best)}
                raise _two_readings(where, figures, fits, space, f"; images that agree with the other data: {counts}")
            how, is_open, why = best, False, f"images that agree with the other data: {counts}"
    if is_open and not _is_usual(how, figures, len(space)):
        raise _two_readings(where, figures, {name: readings[name] for name in (how, *rivals)}, space)
    told = f"{where}: class numbers ({_range(figures)}) are read as {_WORDS[how]}: {why}"
    return Reading(words | readings[how], told)


def _number(value: str) -> int | None:
    match = _WITH_ZERO_FRACTION.fullmatch(value)
    text = match[1] if match else value
    return int(text) if _NUMBER.fullmatch(text) else None


def _of_words(words: Collection[str], space: LabelSpace) -> dict[str, int]:
    """Return what words mean: keys; or names, where no word is a key and each is the name of exactly one class."""
    keys = {word: space.index_of(word) for word in words if word in space}
    if keys or not words:
        return keys
    counts = Counter(space.names)
    names = {name: index for index, name in enumerate(space.names) if counts[name] == 1}
    return {word: names[word] for word in words} if all(word in names for word in words) else {}


def _readings(figures: Mapping[str, int], space: LabelSpace) -> dict[str, dict[str, int]]:
    """Return what each way of reading makes of the numbers it knows; the likeliest way comes first."""
    readings = {"keys": {value: space.index_of(value) for value in figures if value in space}}
    key_of = {int(key): key for key in space.keys if _NUMBER.fullmatch(key)}
    if key_of and len(set(figures.values())) == len(figures):
        bare = {value: space.index_of(key_of[number]) for value, number in figures.items() if number in key_of}
        n_numeric = sum(bool(_NUMBER.fullmatch(key)) for key in space.keys)
        if len(key_of) == n_numeric:
            readings["bare keys"] = bare
    counted = sorted(number for number in figures.values() if number >= 0)
    for first in (0, 1):
        if not first or (counted and counted[0]):  # a 0 among them: they count from 0
            readings[f"from-{first}"] = {
                value: number - first for value, number in figures.items() if first <= number < len(space) + first
            }
    return readings


def _distinct(readings: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the ways of reading that lead to different classes; of two that lead to the same, only the first."""
    kept: list[str] = []
    for how, found in readings.items():
        if all(readings[other] != found for other in kept):
            kept.append(how)
    return kept


def _is_usual(how: str, figures: Mapping[str, int], n_classes: int) -> bool:
    """Tell whether numbers without a 0 may still count from 0: a file of few classes can easily lack the first."""
    return how == "from-0" and 2 * len(figures) < n_classes


def _two_readings(
    where: object,
    figures: Mapping[str, int],
    readings: Mapping[str, Mapping[str, int]],
    space: LabelSpace,
    seen: str = "",
) -> DatasetError:
    value = next(value for value in figures if len({found.get(value) for found in readings.values()}) > 1)
    meant = ", or ".join(
        f"{_WORDS[how]} ({value} is {repr(space[found[value]].key) if value in found else 'no class'})"
        for how, found in readings.items()
    )
    forced = " or ".join(f"{OPTION} {'keys' if how == 'bare keys' else how}" for how in readings)
    return DatasetError(
        f"{where}: its class numbers ({_range(figures)}) fit two readings: {meant}{seen}; say which with {forced}"
    )


def _range(figures: Mapping[str, int]) -> str:
    low, high = min(figures, key=figures.__getitem__), max(figures, key=figures.__getitem__)
    return low if low == high else f"{low} to {high}"


def _why(how: str, figures: Mapping[str, int], readings: Mapping[str, Mapping[str, int]], space: LabelSpace) -> str:
    found = readings[how]
    counted = "all of them are" if len(found) == len(figures) else f"{len(found):,} of {len(figures):,} are"
    if how == "keys":
        return f"{counted} keys of {space.name}"
    if how == "bare keys":
        value = next(iter(found))
        return f"{counted} numbers of keys ({value} is {space[found[value]].key!r}), as a spreadsheet leaves them"
    if how == "from-1":
        return f"{len(space)}, the number of classes, is among them, and 0 is not"
    if 0 in figures.values():
        return "0 is among them"
    return f"the usual way; 0 is not among them, so if they count from 1, give {OPTION} from-1"
