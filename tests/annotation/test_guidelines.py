"""Guidelines: what becomes of Markdown, which pictures are shown, and the lines for classes and pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotation.guidelines import ClassLine, class_lines, guideline_nodes, local_pictures
from pipeline.project.label_space import ClassInfo, LabelSpace

KINDS = {"paragraph", "heading", "text", "strong", "emphasis", "code", "block_code", "quote", "list", "item"}
KINDS |= {"link", "image", "break", "line", "table", "row", "cell"}
SPACE = LabelSpace(
    tuple(
        ClassInfo(index, key, name)
        for index, (key, name) in enumerate(
            [("n1", "tabby"), ("n2", "tiger cat"), ("n3", "crane"), ("n4", "crane"), ("n_5", "yes / no sign")]
        )
    ),
    "cats",
)


def all_nodes(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from all_nodes(node.get("children", []))


def words(text: str) -> str:
    return "".join(node.get("text", "") for node in all_nodes(guideline_nodes(text)))


def test_markdown_becomes_a_tree_of_known_nodes() -> None:
    text = (
        "# Rules\n\nTick **all** `x` &amp; *no*\nmore.\n\n1. one\n2. [two](https://example.org)\n\n|a|b|\n|-|-|\n|1|2|"
    )
    nodes = guideline_nodes(text)
    assert nodes[0] == {"kind": "heading", "level": 1, "children": [{"kind": "text", "text": "Rules"}]}
    assert {node["kind"] for node in all_nodes(nodes)} == KINDS - {"image", "block_code", "quote", "line"}
    assert "Tick all x & no" in words(text)
    (link,) = (node for node in all_nodes(nodes) if node["kind"] == "link")
    assert link["url"] == "https://example.org"
    (numbered,) = (node for node in all_nodes(nodes) if node["kind"] == "list")
    assert numbered["is_ordered"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<iframe src='https://evil.example'></iframe>\n",
        "<!-- hidden -->",
        "<svg onload=alert(1)>",
    ],
)
def test_raw_html_is_the_text_that_it_is(text: str) -> None:
    assert words(text).strip() == text.strip()
    assert {node["kind"] for node in all_nodes(guideline_nodes(text))} <= {"paragraph", "text"}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JaVaScRiPt:1", "data:text/html,x", "vbscript:x", "file:///etc", "x"]
)
def test_a_link_that_is_no_address_of_the_web_leads_nowhere(url: str) -> None:
    links = [node for node in all_nodes(guideline_nodes(f"[here](<{url}>)")) if node["kind"] == "link"]
    assert [link["url"] for link in links] == [""]


def test_only_pictures_of_the_project_are_numbered_in_the_order_of_the_text() -> None:
    text = "![a](pics/b%20c.png) ![b](https://x.org/a.png) ![c](//x.org/a.png) ![d](../a.png) ![e](/etc/a.png)\n\n"
    text += "![f](data:image/png;base64,AAAA) ![g](file:///a.png) ![h](a.jpg) ![i](./pics/b%20c.png)"
    assert local_pictures(text) == ("pics/b c.png", "a.jpg")
    pictures = {n["text"]: n["picture"] for n in all_nodes(guideline_nodes(text)) if n["kind"] == "image"}
    assert pictures == {"a": 0, "b": None, "c": None, "d": None, "e": None, "f": None, "g": None, "h": 1, "i": 0}


@given(st.text(alphabet=st.sampled_from("ab <>/!-#*_`[]()|:\n\"'&;jscript"), max_size=80))
def test_any_text_becomes_known_nodes_and_loses_no_letter(text: str) -> None:
    nodes = list(all_nodes(guideline_nodes(text)))
    assert {node["kind"] for node in nodes} <= KINDS
    if not set(text) & set("[]()|:&`"):  # addresses, tables and entities are not shown as they are written
        shown = "".join(node.get("text", "") for node in nodes)
        assert sorted(c for c in shown if c in "abscript") == sorted(c for c in text if c in "abscript")


def test_lines_for_classes_and_pairs_are_found_under_their_heading() -> None:
    text = (
        "# Rules\n- tabby: not this one\n## Classes\n- **tabby**: Stripes.\n* n2: Spots.\n"
        "- tabby / Tiger Cat: Look: twice.\n"
        "- n3 vs n4: A bird, a machine.\n- n_5: A sign.\n- yes / no sign: Of two words.\n"
        "### More\n- n2 / n1: Still here.\n## Else\n- tabby: no more\n"
    )
    lines, problems = class_lines(text, SPACE, "guidelines.md")
    assert problems == ()
    assert lines == (
        ClassLine((0,), "Stripes."),
        ClassLine((1,), "Spots."),
        ClassLine((0, 1), "Look: twice."),
        ClassLine((2, 3), "A bird, a machine."),
        ClassLine((4,), "A sign."),
        ClassLine((4,), "Of two words."),
        ClassLine((1, 0), "Still here."),
    )


def test_a_line_that_names_no_class_or_several_says_so_and_keeps_no_other() -> None:
    text = "## Klassen\n- tabbi: x\n- crane: y\n- tabby: z\n- tabby / dog: w"
    lines, problems = class_lines(text, SPACE, "guidelines.md")
    assert lines == (ClassLine((0,), "z"),)
    assert problems == (
        "guidelines.md, line 2: no class is called 'tabbi'; did you mean 'tabby'?",
        "guidelines.md, line 3: 'crane' is the name of several classes; write one of their keys: n3, n4",
        "guidelines.md, line 5: no class is called 'dog' (a pair is written `one / other: …`)",
    )
