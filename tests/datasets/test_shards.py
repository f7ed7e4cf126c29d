"""Tar shards as WebDataset writes them: every image is read where it lies, or the shard and the member are named."""

from __future__ import annotations

import gzip
import io
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from hypothesis import given
from hypothesis import strategies as st
from packed_inputs import contents, picture, reasons, write_tar
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.images import read_image
from pipeline.project.folder import open_project

CLASSES = ("cat", "dog")


def samples(first: int, n: int, folder: str = "") -> dict[str, bytes]:
    """Return the members of `n` samples, each a picture with its class."""
    found = {}
    for i in range(first, first + n):
        found[f"{folder}{i:06d}.png"] = picture(i)
        found[f"{folder}{i:06d}.cls"] = CLASSES[i % 2].encode()
    return found


def test_shards_of_webdataset_are_read_as_webdataset_reads_them(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "shards").mkdir()
    with webdataset.ShardWriter(f"file:{tmp_path}/shards/train-%04d.tar", maxcount=4, verbose=0) as writer:
        for i in range(10):
            writer.write({"__key__": f"of {i % 3}/{i:04d}", "png": picture(i), "cls": i % 3, "json": {"n": i}})
    pattern = f"{tmp_path}/shards/train-{{0000..0002}}.tar"
    theirs = {
        f"{sample['__key__']}.png": (sample["png"], sample["cls"].decode())
        for sample in webdataset.WebDataset(f"file:{pattern}", shardshuffle=False)
    }
    for source in (tmp_path / "shards", pattern, f"{tmp_path}/shards/*.tar"):
        root = tmp_path / str(abs(hash(str(source))))
        run_mlf("init", root, "--images", source)
        assert contents(root) == theirs


NAMES = st.lists(
    st.builds(
        "{}{}.png".format,
        st.sampled_from(["", "./", "../", "././", "/", "a/../", "a/./", ".a/"]),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=120),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(NAMES, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_whatever_members_are_called_their_own_bytes_are_read(names: list[str], kind: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shard = write_tar(Path(folder) / "s.tar", {name: picture(i) for i, name in enumerate(names)}, kind)
        below = {name: posixpath.normpath("/" + name).strip("/") for name in names}
        shown = [name for name in names if not any(part.startswith(".") for part in below[name].split("/"))]
        with tarfile.open(shard) as tar:
            theirs = sorted(tar.extractfile(m).read() for m in tar.getmembers() if m.name in shown)  # type: ignore[union-attr]
        (Path(folder) / "classes.txt").write_text("cat\ndog\n")
        options = ("--images", shard, "--classes", Path(folder) / "classes.txt")
        told = run_mlf("init", Path(folder) / "p", *options, code=0 if theirs else 2)
        if theirs:
            made = contents(Path(folder) / "p")
            known = reasons(Path(folder) / "p")
            # Two names may become one by settling; the second is then named as skipped.
            assert {data for data, _ in made.values()} <= {*theirs}
            further = re.search(r"(\d+) further pictures", told)
            assert len(made) + len(known) + int(further[1] if further else 0) == len(theirs)


@given(st.integers(1, 12_000), st.booleans())
def test_of_a_shard_that_is_cut_or_damaged_nothing_is_lost_without_a_word(at: int, is_cut: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        members = samples(0, 6)
        shard = write_tar(Path(folder) / "shards/s.tar", members)
        whole = shard.read_bytes()
        at %= len(whole)
        shard.write_bytes(whole[:at] if is_cut else whole[:at] + b"\xff" * 20 + whole[at + 20 :])
        (Path(folder) / "classes.txt").write_text("cat\ndog\n")
        write_tar(Path(folder) / "shards/whole.tar", samples(100, 1))
        run_mlf(
            "init", Path(folder) / "p", "--images", Path(folder) / "shards", "--classes", Path(folder) / "classes.txt"
        )
        made = contents(Path(folder) / "p")
        assert made.pop("000100.png") == (picture(100), "cat")
        for name, (data, label) in made.items():
            if is_cut:
                assert data == members[name]
                assert label in {members[name.replace(".png", ".cls")].decode(), None}
        told = reasons(Path(folder) / "p")
        assert len(made) == 6 or told
        if is_cut and at < len(whole) - tarfile.RECORDSIZE:
            assert any("s.tar: is" in reason and "copy or download it again" in reason for reason in told)


def test_what_webdataset_leaves_out_is_left_out_and_further_pictures_are_named(tmp_path: Path) -> None:
    members = {
        "__index__": b"x",
        "./a/.hidden.png": picture(51),
        "./a/1.JPEG": picture(1),
        "./a/1.CLS": b"cat\n",
        "./a/1.seg.png": picture(2),
        "./a/2.left.png": picture(3),
        "./a/2.cls": b"dog",
        "./a/notes.md": b"x",
    }
    write_tar(tmp_path / "s.tar", members)
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar")
    assert contents(tmp_path / "p") == {"a/1.JPEG": (picture(1), "cat"), "a/2.left.png": (picture(3), "dog")}
    assert "1 further pictures of a sample are left out: a/1.seg.png" in told


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_a_shard_are_named_with_what_to_do(tmp_path: Path, kind: bytes) -> None:
    shard = write_tar(tmp_path / "s.tar", {**samples(0, 2), "2.png": picture(2)})
    with tarfile.open(shard, "a") as tar:
        for name, to in (("link.png", "000000.png"), ("2.cls", "000000.cls")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, to
            tar.addfile(link)
    run_mlf("init", tmp_path / "p", "--images", shard)
    assert sorted(reason.partition(", which holds")[0] for reason in reasons(tmp_path / "p")) == [
        "s.tar: member '2.cls': a link or a sparse file",
        "s.tar: member 'link.png': a link or a sparse file",
    ]


def test_no_picture_gets_the_class_of_another_where_a_shard_has_a_key_twice(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "s.tar", {"a.png": picture(1), "a.cls": b"cat", "b.png": picture(2), "b.cls": b"dog"})
    again = write_tar(tmp_path / "again.tar", {"./a.png": picture(3), "a.cls": b"dog"})
    shard.write_bytes(shard.read_bytes()[: 8 * tarfile.BLOCKSIZE] + again.read_bytes())
    run_mlf("init", tmp_path / "p", "--images", shard)
    assert contents(tmp_path / "p") == {"b.png": (picture(2), "dog")}
    assert [reason.partition("; ")[0] for reason in reasons(tmp_path / "p")] == [
        "s.tar: has 'a.cls' more than once, so that its class is not sure"
    ] * 2


SAID: dict[str, tuple[dict[str, bytes], list[str], str]] = {
    "picture and mask": ({"1.jpg": picture(1), "1.png": picture(2), "1.cls": b"cat"}, ["1.jpg"], "left out: 1.png"),
    "left and right": (
        {"1.left.png": picture(1), "1.right.png": picture(2), "1.cls": b"cat"},
        ["1.left.png"],
        "1 further pictures of a sample are left out: 1.right.png",
    ),
    "no picture": (
        {"1.png": picture(1), "1.cls": b"cat", "2.other": b"x", "2.cls": b"cat", "d/3.cls": b"cat"},
        ["1.png"],
        "2 samples without a picture that can be read: 2, d/3",
    ),
    "classes elsewhere": (
        {"1.png": picture(1), "1.cls": b"cat", "2.png": picture(2), "2.json": b'{"label": "dog"}'},
        ["1.png", "2.png"],
        "1 sample without a class (.cls); of these, 1 with .json or .txt, which --label-column has read instead",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_a_sample_has_more_or_less_is_said_in_a_note(tmp_path: Path, case: str) -> None:
    members, expected, note = SAID[case]
    write_tar(tmp_path / "s.tar", members)
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar")
    assert list(contents(tmp_path / "p")) == expected
    assert note in told


def test_a_class_that_cannot_be_read_is_named_where_none_can_be(tmp_path: Path) -> None:
    members = {"1.png": picture(1), "1.cls": "cat".encode("utf-16"), "2.png": picture(2)}
    write_tar(tmp_path / "s.tar", members)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    options = ("--images", tmp_path / "s.tar", "--classes", tmp_path / "classes.txt")
    run_mlf("init", tmp_path / "p", *options)
    assert contents(tmp_path / "p") == {"2.png": (picture(2), None)}
    assert [reason.partition(";")[0] for reason in reasons(tmp_path / "p")] == [
        "s.tar: member '1.cls': is not UTF-8 text"
    ]


def test_a_class_of_several_lines_is_no_class(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", {**samples(0, 2), "2.png": picture(2), "2.cls": b"1\n2\n"})
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar")
    assert len(contents(tmp_path / "p")) == 2
    [reason] = reasons(tmp_path / "p")
    assert reason.startswith("s.tar: member '2.cls': has several lines: one class an image is read")


def test_what_follows_the_end_mark_of_a_shard_is_named(tmp_path: Path) -> None:
    shard, more = (write_tar(tmp_path / name, samples(at, 1)) for at, name in enumerate(("s.tar", "more.tar")))
    shard.write_bytes(shard.read_bytes() + more.read_bytes())
    run_mlf("init", tmp_path / "p", "--images", shard)
    assert list(contents(tmp_path / "p")) == ["000000.png"]
    [reason] = reasons(tmp_path / "p")
    assert reason.startswith("s.tar: holds more after its end mark, after '000000.cls'")


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_in_another_encoding_are_read(tmp_path: Path, kind: int) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    write_tar(tmp_path / "s.tar", {f"{name}.png": picture(1), f"{name}.cls": b"cat"}, kind)
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar")
    assert contents(tmp_path / "p") == {r"caf\xe9.png": (picture(1), "cat")}


def test_images_of_the_same_name_in_two_shards_are_told_apart_by_their_shard(tmp_path: Path) -> None:
    write_tar(tmp_path / "shards/a-0.tar", samples(0, 2))
    write_tar(tmp_path / "shards/a-1.tar", {**samples(0, 1), "9.png": picture(9), "9.cls": b"dog"})
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "shards")
    assert sorted(contents(tmp_path / "p")) == ["a-0/000000.png", "a-0/000001.png", "a-1/000000.png", "a-1/9.png"]


LABELS: dict[str, tuple[dict[str, bytes], list[str], list[str | None]]] = {
    "json": ({"1.json": b'{"label": 1, "x": [2]}', "2.json": b'{"label": 0}'}, [], ["1", "0"]),
    "field": ({"1.json": b'{"label": 1, "kind": "cat"}', "2.json": b'{"kind": "dog"}'}, ["kind"], ["cat", "dog"]),
    "txt": ({"1.txt": b"cat", "2.txt": b"cat\n"}, [], ["cat", "cat"]),
    "numbers": ({"1.json": b'{"label": 1.0}', "2.json": b'{"label": 0}'}, [], ["1", "0"]),
    "distinct": ({"1.txt": b"a", "2.txt": b"b", "3.png": picture(3), "3.txt": b"c"}, ["txt"], ["a", "b", "c"]),
    "cls first": ({"1.txt": b"a cat", "1.cls": b"cat", "2.json": b"{"}, [], ["cat", None]),
}


@pytest.mark.parametrize("case", LABELS)
def test_classes_stand_in_the_usual_place_or_in_the_one_named(tmp_path: Path, case: str) -> None:
    members, column, expected = LABELS[case]
    write_tar(tmp_path / "s.tar", {"1.png": picture(1), "2.png": picture(2), **members})
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar", *(["--label-column", *column] if column else []))
    assert [label for _, label in contents(tmp_path / "p").values()] == expected


REFUSED: dict[str, tuple[dict[str, bytes], list[str], str]] = {
    "captions": (
        {
            f"{i}.{kind}": picture(i) if kind == "png" else f"a {i}".encode()
            for i in range(3)
            for kind in ("png", "txt")
        },
        [],
        "3 .txt say 3 different things, as captions do",
    ),
    "no class": ({"1.png": picture(1)}, [], "no image has a class; say which classes there are, with --classes"),
    "captions of which two are alike": (
        {
            f"{i}.{kind}": picture(i) if kind == "png" else f"a {max(i, 1)}".encode()
            for i in range(5)
            for kind in ("png", "txt")
        },
        [],
        "5 .txt say 4 different things, as captions do",
    ),
    "captions of several lines": ({"1.png": picture(1), "1.txt": b"a cat\na dog"}, [], "as captions do"),
    "other encoding": (
        {"1.png": picture(1), "1.cls": "cat".encode("utf-16")},
        [],
        "s.tar: member '1.cls': is not UTF-8 text; write the class as text",
    ),
    "broken json": ({"1.png": picture(1), "1.json": b'{"label":'}, [], "member '1.json': cannot be read as JSON"),
    "list": ({"1.png": picture(1), "1.json": b'{"label": ["a", "b"]}'}, [], "'label' holds a list: one class an image"),
    "list in the field named": (
        {"1.png": picture(1), "1.json": b'{"kind": ["a", "b"]}'},
        ["--label-column", "kind"],
        "'kind' holds a list: one class an image",
    ),
    "other fields": (
        {"1.png": picture(1), "1.json": b'{"kind": "x", "sort": "y"}'},
        [],
        "--label-column FIELD reads one of these of .json: kind, sort",
    ),
    "dots": (
        {"i.1.png": picture(1), "i.1.cls": b"cat"},
        [],
        "1 member taken for no class: i.1.cls; a key ends at the first dot of a name",
    ),
    "no field": (
        {"1.png": picture(1), "1.json": b'{"kind": "x"}'},
        ["--label-column", "sort"],
        "no sample has a 'sort'; classes may stand in: kind",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_shards_whose_classes_are_not_known_are_refused_with_what_to_do(tmp_path: Path, case: str) -> None:
    members, options, told = REFUSED[case]
    write_tar(tmp_path / "s.tar", members)
    assert told in run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar", *options, code=2)
    assert not (tmp_path / "p").exists()


def test_captions_are_left_aside_on_demand(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", REFUSED["captions"][0])
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    options = ("--label-column", "none", "--classes", tmp_path / "classes.txt")
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar", *options)
    assert [label for _, label in contents(tmp_path / "p").values()] == [None] * 3


def _gzipped(folder: Path, name: str) -> None:
    whole = write_tar(folder / "plain", samples(0, 1)).read_bytes()
    (folder / "plain").unlink()
    (folder / name).write_bytes(gzip.compress(whole))


SOURCES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "tar.gz": (lambda f: _gzipped(f, "s.tar.gz"), "s.tar.gz", "unpack it to a plain .tar"),
    "gzip called tar": (lambda f: _gzipped(f, "s.tar"), "s.tar", "s.tar: is compressed (gzip)"),
    "folder of tar.gz": (lambda f: _gzipped(f, "s.tar.gz"), ".", "unpack it to a plain .tar"),
    "gap": (lambda f: write_tar(f / "s-0.tar", samples(0, 1)), "s-{0..1}.tar", "s-1.tar: no such file"),
    "nothing so called": (lambda _: None, "t-*.tar", "no file has such a name"),
    "no tar": (lambda f: (f / "s.tar").write_bytes(b"hello"), "s.tar", "s.tar: is damaged or cut short"),
    "too many": (lambda _: None, "s-{0..9999999}.tar", "stands for 10,000,000 files"),
    "other files": (lambda f: (f / "a.csv").write_text("image\n"), "*.csv", "is not read by a pattern"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_sources_that_are_no_shards_are_refused_by_name(tmp_path: Path, case: str) -> None:
    prepare, source, told = SOURCES[case]
    (tmp_path / "shards").mkdir()
    prepare(tmp_path / "shards")
    assert told in run_mlf("init", tmp_path / "p", "--images", tmp_path / "shards" / source, code=2)


def test_shards_beside_a_picture_and_beside_tables_are_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "s/train/0000.tar", samples(0, 1))
    (tmp_path / "s/sizes.parquet").touch()
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "s", code=2)
    assert "has .parquet and .tar files; say which with a pattern, such as *.tar" in told
    (tmp_path / "s/sizes.parquet").unlink()
    (tmp_path / "s/thumb.png").write_bytes(picture(1))
    told = run_mlf("init", tmp_path / "p", "--images", tmp_path / "s", code=2)
    assert f"or give --images '{tmp_path}/s/train/*.tar' for the images inside train/0000.tar" in told


def test_a_folder_with_images_of_its_own_is_a_folder_of_images(tmp_path: Path) -> None:
    write_tar(tmp_path / "photos/s.tar", samples(0, 1))
    (tmp_path / "photos/cat").mkdir()
    (tmp_path / "photos/cat/1.png").write_bytes(picture(1))
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "photos")
    assert list(contents(tmp_path / "p")) == ["cat/1.png"]
    assert len(reasons(tmp_path / "p")) == 1


def test_a_shard_that_is_written_anew_is_noticed_and_no_other_bytes_are_shown(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "s.tar", samples(0, 3))
    run_mlf("init", tmp_path / "p", "--images", shard)
    write_tar(shard, {"first.png": picture(77), "first.cls": b"cat", **samples(0, 3)})
    with pytest.raises(DatasetError, match=r"s\.tar: '000000\.png' is not where it was when the project was made"):
        contents(tmp_path / "p")
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DatasetError, match="the file is shorter now"):
        contents(tmp_path / "p")
    assert "000000.png" in run_mlf("add", tmp_path / "p")
    shard.unlink()
    with pytest.raises(DatasetError, match="no such file"):
        contents(tmp_path / "p")


def test_more_shards_are_added_and_known_images_are_left(tmp_path: Path) -> None:
    write_tar(tmp_path / "shards/s-0.tar", samples(0, 2))
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "shards")
    write_tar(tmp_path / "shards/s-1.tar", samples(2, 2))
    assert "2 were in the project already" in run_mlf("add", tmp_path / "p", "--images", tmp_path / "shards")
    write_tar(tmp_path / "elsewhere/s-2.tar", samples(4, 1))
    run_mlf("add", tmp_path / "p", "--images", tmp_path / "elsewhere")
    assert contents(tmp_path / "p") == {f"{i:06d}.png": (picture(i), CLASSES[i % 2]) for i in range(5)}


def test_images_in_shards_are_decoded_as_files_are(tmp_path: Path) -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), "red").save(turned, "JPEG", exif=exif)
    write_tar(tmp_path / "s.tar", {"1.jpg": turned.getvalue(), "1.cls": b"cat"})
    run_mlf("init", tmp_path / "p", "--images", tmp_path / "s.tar")
    [path] = pq.read_table(open_project(tmp_path / "p").images_path)["path"].to_pylist()
    assert read_image(str(tmp_path / path)).size == (20, 30)
