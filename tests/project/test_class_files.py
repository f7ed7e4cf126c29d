"""Files of classes as frameworks and spreadsheets write them: the same classes from each, or a refusal by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from pipeline.project.label_space import load_label_space, write_label_space
from pipeline.project.names import settled
from pipeline.project.notices import notices_to

KEYS = ("cat", "dog", "emu")


def text(content: str, encoding: str = "utf-8") -> bytes:
    return content.encode(encoding)


FILES: dict[str, bytes] = {
    "keys.json": text('["cat", "dog", "emu"]'),
    "marked.json": text('\ufeff["cat", "dog", "emu"]'),
    "names.json": text('{"cat": "Cat", "dog": null, "emu": NaN}'),
    "class_to_idx.json": text('{"dog": 1, "cat": 0, "emu": 2}'),
    "class_to_idx_as_text.json": text('{"dog": "1", "cat": "0", "emu": "2"}'),
    "label2id.json": text(
        '{"model_type": "vit", "label2id": {"emu": 2, "dog": 1, "cat": 0}, "id2label": {"0": "cat"}}'
    ),
    "id2label.json": text('{"2": "emu", "0": "cat", "1": "dog"}'),
    "imagenet_class_index.json": text('{"1": ["dog", "Dog"], "0": ["cat", "Cat"], "2": ["emu", "Emu"]}'),
    "objects.json": text('[{"key": "emu", "index": 2}, {"Key": "cat", "INDEX": 0}, {"key": "dog", "index": 1}]'),
    "objects_by_key.json": text('{"emu": {"index": 2}, "cat": {"index": 0, "name": "Cat"}, "dog": {"index": 1}}'),
    "spaces.csv": text(" Key , Index\nemu, 2\ncat, 0\ndog, 1\n"),
    "semicolons.csv": text("key;name\ncat;Cat\ndog;\nemu;\n", "utf-8-sig"),
    "excel.csv": text("sep=;\r\nkey;index\r\nemu;2\r\ncat;0\r\ndog;1\r\n"),
    "unicode_text.csv": text("key\tindex\ncat\t0\ndog\t1\nemu\t2\n", "utf-16"),
    "blank_lines.csv": text("\n,,\nkey,index\n\ncat,0\n,\ndog,1\nemu,2\n"),
    "pandas.csv": text(",key,index\n0,cat,0.0\n1,dog,1.0\n2,emu,2.0\n"),
    "old_mac.csv": text("key\rcat\rdog\remu\r"),
    "tabs.tsv": text("key\tname\ncat\tA, cat\ndog\t\nemu\t\n"),
    "list.txt": text("cat\n\ndog\nemu\n", "utf-8-sig"),
    "numbered.txt": text("0 cat\n1 dog\n2 emu\n"),
    "numbered_from_1.txt": text("1: cat\n2: dog\n3: emu\n"),
    "places.txt": text("cat 0\ndog 1\nemu 2\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_classes_in_the_same_order(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    space = load_label_space(tmp_path / name)
    assert space.keys == KEYS
    assert "nan" not in space.names


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"key": [b"cat", b"dog", b"emu"]}),
        pd.DataFrame({"Key": pd.Categorical(KEYS), "index": [0.0, 1.0, 2.0]}),
        pd.DataFrame({"key": KEYS, "synonyms": [["puss", None], None, []], "name": ["Cat", None, float("nan")]}),
    ],
)
def test_parquet_columns_are_read_by_type(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "classes.parquet")
    assert load_label_space(tmp_path / "classes.parquet").keys == KEYS


def test_number_keys_of_parquet_are_text_zero_included(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": [0, 1, 10**18], "name": ["cat", "dog", None]}), tmp_path / "classes.parquet")
    space = load_label_space(tmp_path / "classes.parquet")
    assert (space.keys, space.names) == (("0", "1", str(10**18)), ("cat", "dog", str(10**18)))


def test_names_of_wordnet_lists_are_names(tmp_path: Path) -> None:
    (tmp_path / "synsets.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    space = load_label_space(tmp_path / "synsets.txt")
    assert (space.keys, space[0].name, space[0].synonyms) == (("n01440764", "n01443537"), "tench", ("Tinca tinca",))


def test_names_that_are_not_unique_are_no_keys(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"0": "crane", "1": "dog", "2": "crane"}')
    space = load_label_space(tmp_path / "labels.json")
    assert (space.keys, space.names) == (("0", "1", "2"), ("crane", "dog", "crane"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", '{"cat": 1, "dog": 2}', "class 'cat' has index 1; expected 0.*subtract 1"),
        ("c.json", '{"cat": 0, "dog": 2}', "class 'dog' has index 2; expected 1.*leave no gap"),
        ("c.json", '{"cat": 0, "cat": 1}', r"key 'cat' occurs again"),
        ("c.json", '["cat", "cat "]', r"entry 2: key 'cat' occurs again, after entry 1"),
        ("c.json", '["caf\u00e9", "cafe\u0301"]', r"entry 2: key 'caf\u00e9' occurs again"),
        ("c.json", '[{"key": true}]', "entry 1: 'key' is a truth value"),
        ("c.json", '{"cat": ["a", "b", "c"]}', "'cat': 'name' is a list"),
        ("c.json", '[{"id": 1, "name": "cat"}]', "entry 1: no 'key' among 'id', 'name'"),
        ("c.json", "7", "holds a int"),
        ("c.csv", "key,Key\ncat,dog\n", "has the column 'key' twice"),
        ("c.csv", "key,synonym\ncat,x\n", "column 'synonym' is none of .*did you mean 'synonyms'"),
        ("c.csv", "cat\ndog\n", "no column 'key' among 'cat'"),
        ("c.csv", "", "it is empty"),
        ("c.csv", "key,index\ncat,0\ndog,\n", "line 3: no index, where other classes have one"),
        ("c.csv", "key,index\ncat,0\ndog,0\n", "line 3: class 'dog' has index 0, which 'cat' has, too"),
        ("c.csv", "key,index\ncat,first\n", "line 2: index 'first' is not a whole number"),
        ("c.csv", 'key,name\ncat,"a\nb"\n\n,x\n', "line 5: no 'key'"),
        ("c.csv", 'key,name\n"cat,x\n', "cannot be read as csv"),
        ("c.txt", "\n\n", "holds no class"),
        ("c.xlsx", "", r"\.txt, not '\.xlsx'"),
    ],
)
def test_what_fits_no_form_is_refused_by_name_and_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=message) as caught:
        load_label_space(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("key", [[["cat"]], [True], [0.5], [pd.Timestamp("2026-01-01")], [{"a": 1}]])
def test_parquet_columns_that_hold_no_names_are_refused(tmp_path: Path, key: list[Any]) -> None:
    pq.write_table(pa.table({"key": pa.array(key)}), tmp_path / "c.parquet")
    with pytest.raises(DatasetError, match=r"c\.parquet, row 0: 'key' is"):
        load_label_space(tmp_path / "c.parquet")


def test_latin_1_is_named_by_line(tmp_path: Path) -> None:
    for name in ("c.csv", "c.txt"):
        (tmp_path / name).write_bytes("key\ncat\ncaf\u00e9\n".encode("latin-1"))
        with pytest.raises(DatasetError, match=rf"{name}, line 3: .*UTF-8"):
            load_label_space(tmp_path / name)


def test_an_order_that_nothing_gives_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "c.csv").write_text("key,url\ncat,x\ndog,y\n")
    with notices_to(told.append):
        load_label_space(tmp_path / "c.csv")
    assert any("gives no index, so classes are numbered 0, 1, 2" in line for line in told)
    assert any("not used: 'url'" in line for line in told)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.text().map(settled).filter(bool), min_size=1, max_size=6, unique=True))
def test_any_text_is_a_key_in_parquet_json_and_csv(tmp_path: Path, keys: list[str]) -> None:
    pd.DataFrame({"key": keys}).to_parquet(tmp_path / "k.parquet")
    (tmp_path / "k.json").write_text(json.dumps([{"key": key} for key in keys]))
    quoted = "".join('"' + key.replace('"', '""') + '"\n' for key in keys)
    (tmp_path / "k.csv").write_text("key\n" + quoted, encoding="utf-8", newline="")
    for suffix in ("parquet", "json", "csv"):
        space = load_label_space(tmp_path / f"k.{suffix}")
        assert list(space.keys) == keys
    write_label_space(space, tmp_path / "own.parquet")
    assert load_label_space(tmp_path / "own.parquet").classes == space.classes
