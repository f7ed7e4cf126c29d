"""Names as text: what an image, a class, an annotator or a column is called, in one form for everything that is read.

Files may spell one name in several ways that look alike: macOS writes `é` as two characters (normal form NFD) where
Linux and Windows write one (NFC), and cells keep the spaces around what was typed. Nothing else is changed: `007`,
`1e3`, `True` and a number of 21 digits are names like any other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

from pipeline.errors import ProjectError
from pipeline.project.notices import tell

#: Characters that no screen shows and `str.strip` leaves: byte order mark, zero-width space, word joiner.
_UNSEEN = "\ufeff\u200b\u2060"
_SHOWN = 3
MAX_PERSON = 100
#: Characters that separate the parts of paths, of web addresses and of lists.
_PARTING = frozenset("/\\,:")


def settled(name: str) -> str:
    """Return a name without white space around it, in Unicode's normal form C; a settled name stays as it is."""
    if name.isascii():
        return name.strip()
    before = ""
    while before != name:
        before, name = name, name.strip().strip(_UNSEEN)
    return unicodedata.normalize("NFC", name)


def check_person(name: str) -> None:
    """Refuse a name that cannot be used everywhere: names become parts of web addresses, folders and typed lists.

    Raise `ProjectError` if the name cannot be used; the message names the person and says what to use instead.
    """
    is_hidden = any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in name)
    if name != settled(name) or name in {"", ".", ".."} or len(name) > MAX_PERSON or is_hidden or set(name) & _PARTING:
        raise ProjectError(
            f"annotator {name[:50]!a}: a name takes 1 to {MAX_PERSON} characters that a screen shows, without / \\ , "
            "or : and without spaces around it"
        )


def names_in(text: str, separator: str = ",") -> list[str]:
    """Return the names in a list that a person typed, separated by commas unless said otherwise."""
    return [name for part in text.split(separator) if (name := settled(part))]


def column_name(header: str) -> str:
    """Return a column's name in one form, whatever its capitals and whether spaces or hyphens separate its words."""
    return "_".join(settled(header).casefold().replace("-", " ").split())


def settled_all(names: Iterable[str], what: str, where: object) -> dict[str, str]:
    """Return each name's settled form, and tell which names become equal by settling.

    Parameters
    ----------
    names
        As a file spells them.
    what
        What they name, in the singular, such as ``annotator``.
    where
        The file.
    """
    forms = {name: settled(name) for name in names}
    tell_merged(forms, what, where)
    return forms


def tell_merged(forms: Mapping[str, str], what: str, where: object) -> None:
    """Tell which spellings are one name: they differ only in white space around them or in Unicode's normal form."""
    spellings: dict[str, list[str]] = {}
    for name, form in forms.items():
        spellings.setdefault(form, []).append(name)
    merged = [names for names in spellings.values() if len(names) > 1]
    if not merged:
        return
    shown = "; ".join(" and ".join(map(ascii_where_alike, names)) for names in merged[:_SHOWN])
    more = f", and {len(merged) - _SHOWN:,} more" if len(merged) > _SHOWN else ""
    tell(
        f"{where}: {shown}{more}: each of these is one {what}, since the spellings differ only in white space around "
        "them or in Unicode's normal form"
    )


def did_you_mean(name: str, known: Collection[str], otherwise: str) -> str:
    """Return the end of a message about a name that is not known: the nearest known one, or `otherwise`."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise


def first_few(names: Iterable[str], n: int = 3) -> str:
    """Return the first names of a list that may be long, as text."""
    first = list(islice(names, n + 1))
    return ", ".join(first[:n]) + (", …" if len(first) > n else "")


def on_one_line(name: str) -> str:
    """Return a name as a terminal can show it: in quotes where it holds something invisible, such as a line break."""
    return name if name.isprintable() else repr(name)


def ascii_where_alike(name: str) -> str:
    """Return a name in quotes, with the characters that a screen would merge with others written as escapes."""
    return repr(name) if name == unicodedata.normalize("NFC", name) else ascii(name)
