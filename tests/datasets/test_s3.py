"""Images on S3, against a server on this machine: read by threads and processes, and no key is ever shown."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import s3fs
from command_line import run_mlf
from packed_inputs import contents, picture, write_tar
from serving import free_port

from pipeline.annotation.session import Unreadable
from pipeline.errors import DatasetError
from pipeline.images import read_image
from pipeline.images.locations import open_location
from pipeline.project.folder import open_project
from pipeline.service.serving import ServedSession, ServedTables
from pipeline.store import open_project_store
from pipeline.votes.words import Round

KEY, SECRET = "AKIDOFNOBODY", "a-secret-that-nobody-may-see"
IMAGES = {f"photos/{key}/{i}.png": picture(i) for i, key in enumerate(("cat", "dog", "cat", "dog"))}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server of S3 that holds a bucket of photographs and one shard."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:  # the test's own time limit ends this
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        address = f"http://127.0.0.1:{port}"
        store = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=address)
        store.mkdir("bucket")
        for name, data in IMAGES.items():
            store.pipe(f"bucket/{name}", data)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell this process and those that it starts of the server as one tells the store's own programs."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_project_of_photographs_on_s3_is_made_and_its_images_are_served(server: str, tmp_path: Path) -> None:
    root = tmp_path / "p"
    told = run_mlf("init", root, "--images", "s3://bucket/photos/")
    assert list(contents(root).values()) == [
        (data, name.split("/")[1]) for name, data in sorted(IMAGES.items(), key=lambda item: item[0])
    ]
    np.savez(tmp_path / "top.npz", model=np.array([[0, 1]] * 4))
    told += run_mlf("propose", root, "--from-predictions", tmp_path / "top.npz", "--order", "natural")
    told += run_mlf("assign", root, "--annotators", "ann,ben")
    project = open_project(root)
    s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=server).rm("bucket/photos/dog/3.png")
    try:
        with open_project_store(project) as store:
            session = ServedSession(ServedTables(project), store, "ann", Round.ANNOTATION)
            shown = session.images(range(4), 256)
    finally:
        s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=server).pipe("bucket/photos/dog/3.png", picture(3))
    [lost] = [each for each in shown if isinstance(each, Unreadable)]
    assert lost.reason == "the file: no such file"
    assert len(shown) == 4
    told += lost.reason + "".join(path.read_text(errors="replace") for path in root.rglob("*") if path.is_file())
    assert KEY not in told
    assert SECRET not in told


def test_threads_and_processes_open_what_this_process_has_opened_before(server: str) -> None:
    locations = [f"s3://bucket/{name}" for name in IMAGES] * 3
    sizes = [(8, 6)] * len(locations)
    assert _size(locations[0]) == (8, 6)  # the store's loop of events runs in a thread of this process from here on
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(_size, locations)) == sizes
    for way in ("fork", "spawn"):
        with ProcessPoolExecutor(2, multiprocessing.get_context(way)) as processes:
            assert list(processes.map(_size, locations)) == sizes
    assert _size(locations[0]) == (8, 6)


def _size(location: str) -> tuple[int, int]:
    return read_image(location).size


def test_shards_on_s3_are_read_in_parts(server: str, tmp_path: Path) -> None:
    store = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=server)
    for part in range(2):
        members = {f"{i}.png": picture(i) for i in range(2 * part, 2 * part + 2)}
        labels = {name.replace(".png", ".cls"): b"cat" for name in members}
        store.put(str(write_tar(tmp_path / "s.tar", members | labels)), f"bucket/shards/s-{part:04d}.tar")
    for at, source in enumerate(
        ("s3://bucket/shards", "s3://bucket/shards/s-{0000..0001}.tar", "s3://bucket/shards/*.tar")
    ):
        run_mlf("init", tmp_path / str(at), "--images", source)
        assert contents(tmp_path / str(at)) == {f"{i}.png": (picture(i), "cat") for i in range(4)}


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL"])
def test_the_address_of_the_server_is_taken_from_the_environment(server: str, tmp_path: Path, variable: str) -> None:
    own = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "init", tmp_path / "p", "--images", "s3://bucket/photos"],
        env=own | {variable: server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 images, 2 classes" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_what_is_not_there_or_not_allowed_is_one_line(tmp_path: Path) -> None:
    told = run_mlf("init", tmp_path / "p", "--images", "s3://bucket/nothing", code=2)
    assert "s3://bucket/nothing: no such folder of images, or an empty one" in told
    told = run_mlf("init", tmp_path / "p", "--images", "s3://no-bucket/shards/s-0.tar", code=2)
    assert "s3://no-bucket/shards/s-0.tar: The specified bucket does not exist" in told
    with pytest.raises(DatasetError, match=r"^s3://bucket/photos/cat/9\.png: no such file$"):
        open_location("s3://bucket/photos/cat/9.png")


def test_an_address_with_a_key_is_refused_without_repeating_it(tmp_path: Path) -> None:
    told = run_mlf("init", tmp_path / "p", "--images", f"s3://{KEY}:{SECRET}/+@bucket/photos", code=2)
    assert "the address has a key in it" in told
    assert KEY not in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("package", "url", "extra"),
    [
        ("s3fs", "s3://b/x", "s3"),
        ("gcsfs", "gs://b/x", "gcs"),
        ("adlfs", "abfs://b/x", "azure"),
        ("adlfs", "az://b/x", "azure"),
    ],
)
def test_a_missing_package_is_told_by_its_extra(package: str, url: str, extra: str, tmp_path: Path) -> None:
    without = "import sys; sys.modules[sys.argv.pop(1)] = None; from pipeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, package, "init", tmp_path / "p", "--images", url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{url}: cannot be listed: `pip install 'multilabelfy[{extra}]'` brings what it takes" in done.stderr
