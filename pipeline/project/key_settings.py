"""What `keys` in `mlf.toml` may say: which action gets which key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from pipeline.errors import ProjectError
from pipeline.project.names import did_you_mean

#: What a key can do; `shared/keys.ts` in the browser half has the same list, and what each of them is by default.
ACTIONS = (
    "next",
    "previous",
    "next_page",
    "previous_page",
    "show_all",
    "none",
    "unsure",
    "unsure_label",
    "search",
    "comment",
    "undo",
    "redo",
    "first_not_done",
    "jump",
    "filter",
    "zoom_in",
    "zoom_out",
    "zoom_fit",
    "full_resolution",
    "frames",
    "pan_left",
    "pan_right",
    "pan_up",
    "pan_down",
    "compare",
    "definitions",
    "mark",
    "searched",
    "guidelines",
    "help",
    "leave",
)
#: Names of keys that write nothing, as browsers have them. Tab moves the focus, and Escape always leaves.
NAMED_KEYS = (
    *("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"),
    *("Enter", "Space", "Backspace", "Delete", "Insert"),
    *(f"F{number}" for number in range(1, 13)),
)
_BY_SMALL_NAME = {name.lower(): name for name in NAMED_KEYS}
_SHIFT = re.compile(r"shift\+(?=.)", re.IGNORECASE)


def check_keys(keys: Mapping[str, object], where: str) -> None:
    """Check which action has which key.

    Parameters
    ----------
    keys
        From action to key: what the key writes (``"k"``, ``"7"``, ``"/"``) or its name (``"PageDown"``), after
        ``Shift+`` where Shift is held. Capitals do not matter.
    where
        What holds them, for the message.

    Raises
    ------
    ProjectError
        If an action or a key is unknown, or two actions have the same key.
    """
    taken: dict[str, str] = {}
    for action, key in keys.items():
        if action not in ACTIONS:
            hint = did_you_mean(action, ACTIONS, f"known are {', '.join(ACTIONS)}")
            raise ProjectError(f"{where}: nothing is called {action!r}; {hint}")
        name = _key_name(key, f"{where}: {action} = {key!r}")
        if name in taken:
            raise ProjectError(f"{where}: {taken[name]} and {action} have the same key, {name}; give one another")
        taken[name] = action


def _key_name(key: object, where: str) -> str:
    """Return a key in the one way to write it."""
    if not isinstance(key, str):
        raise ProjectError(f"{where}; a key is a text")
    bare = _SHIFT.sub("", key, count=1)
    shift = "Shift+" if bare != key else ""
    if len(bare) == 1 and bare.isprintable() and not bare.isspace():
        return shift + bare.lower()
    if bare.lower() in _BY_SMALL_NAME:
        return shift + _BY_SMALL_NAME[bare.lower()]
    if bare in {" ", ""}:
        raise ProjectError(f"{where}; write Space for the space bar")
    if bare.lower() in {"tab", "escape", "esc"}:
        raise ProjectError(f"{where}; this key stays what it is in every browser, choose another")
    near = get_close_matches(bare.lower(), _BY_SMALL_NAME, n=1)
    hint = f"did you mean {_BY_SMALL_NAME[near[0]]}?" if near else "such as k, 7, /, Shift+k, PageDown, F2"
    raise ProjectError(f"{where} is no key: give what it writes, or its name; {hint}")
