"""Keys in `mlf.toml`: what is known, what is refused, and that the browser half knows the same actions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import ProjectError
from pipeline.project.key_settings import ACTIONS, NAMED_KEYS, check_keys
from pipeline.project.settings import Settings, read_settings, write_settings

CONTRACT = Path(__file__).parents[1] / "contract" / "keys.json"


def test_every_action_that_the_browser_half_has_can_get_a_key() -> None:
    contract = json.loads(CONTRACT.read_text(encoding="utf-8"))
    assert tuple(contract["actions"]) == ACTIONS
    check_keys(contract["keys"], "keys.json")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"nxt": "k"}, "nothing is called 'nxt'; did you mean 'next'"),
        ({"launch": "k"}, "known are next, previous"),
        ({"next": "k", "none": "K"}, "next and none have the same key, k"),
        ({"next": "Shift+k", "none": "shift+K"}, "next and none have the same key, Shift+k"),
        ({"next": "pagedown", "none": "PageDown"}, "same key, PageDown"),
        ({"next": "Rightarrow"}, "'Rightarrow' is no key"),
        ({"next": "ArrowRigth"}, "did you mean ArrowRight"),
        ({"next": "Ctrl+k"}, "is no key"),
        ({"next": "kk"}, "is no key"),
        ({"next": ""}, "write Space for the space bar"),
        ({"next": " "}, "write Space for the space bar"),
        ({"next": "Shift+"}, "is no key"),
        ({"next": "Tab"}, "stays what it is"),
        ({"next": "Esc"}, "stays what it is"),
        ({"next": 7}, "a key is a text"),
    ],
)
def test_what_is_no_key_or_no_action_is_refused_with_what_to_do(
    tmp_path: Path, keys: dict[str, object], message: str
) -> None:
    path = tmp_path / "mlf.toml"
    path.write_text("[annotation.keys]\n" + "".join(f"{name} = {json.dumps(key)}\n" for name, key in keys.items()))
    with pytest.raises(ProjectError) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_keys_come_back_as_they_were_written(tmp_path: Path) -> None:
    keys = {"next": "k", "redo": "Shift+k", "search": "ö", "undo": "+", "none": "1"}
    write_settings(Settings().with_changes("annotation", keys=keys), tmp_path / "mlf.toml")
    assert read_settings(tmp_path / "mlf.toml").annotation.keys == keys


def test_the_documentation_names_every_action_and_every_kind_of_key() -> None:
    document = (Path(__file__).parents[2] / "docs" / "annotating.md").read_text(encoding="utf-8")
    table = [line for line in document.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table))) == sorted(ACTIONS)
    for name in NAMED_KEYS:
        if not re.fullmatch(r"F\d+", name):
            assert f"`{name}`" in document
