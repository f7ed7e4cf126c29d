"""What a hub logs: each process sends its lines through its own socket, and this module puts them into files.

A session gets no descriptor of any of the Hub's files: the owner of a process can take its descriptors, and truncate,
fill or read the files behind them. Behind a socket there is nothing to take. Files rotate when they are full, and only
part of what an endlessly writing session prints is kept. So nobody can fill the disk or push out the others' lines.

`mlf hub` runs this in its own thread, since `mlf hub` outlives the Hub: sessions that keep running while the Hub is
restarted keep their logs.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

_HUB_BYTES, _N_HUB_FILES = 20_000_000, 5
_SERVER_BYTES, _N_SERVER_FILES = 1_000_000, 2
#: For one session: bytes that are taken at once, and per second in the long run.
_BURST_BYTES, _BYTES_PER_SECOND = 500_000, 10_000
_MAX_NAME_BYTES = 2_000
_CHUNK = 65_536


class TurningFile:
    """A log file that only its owner can read; a full one is replaced by a new one, and some earlier ones are kept.

    Parameters
    ----------
    path
        Path of the newest file; earlier ones have the same name with a number.
    max_bytes
        Size of each file.
    n_files
        How many files are kept, the newest included.
    """

    def __init__(self, path: Path, max_bytes: int, n_files: int) -> None:
        self._path, self._max_bytes, self._n_files = path, max_bytes, n_files

    def write(self, data: bytes) -> None:
        """Append some bytes; if the disk is full they are lost, but nobody is stopped."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, data)
                is_full = os.fstat(descriptor).st_size >= self._max_bytes
            finally:
                os.close(descriptor)
            if is_full:
                self._turn()

    def _turn(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._n_files))]
        for older, newer in zip(reversed(names), list(reversed(names))[1:], strict=False):
            with suppress(FileNotFoundError):
                newer.replace(older)


class _Source:
    """One connection: whose it is, and how many more bytes are taken from it."""

    def __init__(self, file: TurningFile | None, is_bounded: bool) -> None:
        self.file, self._is_bounded = file, is_bounded
        self.name = b""
        self._level, self._last = float(_BURST_BYTES), time.monotonic()
        self._n_left_out = 0

    def write(self, data: bytes) -> None:
        assert self.file is not None
        if not self._is_bounded:
            self.file.write(data)
            return
        now = time.monotonic()
        self._level = min(_BURST_BYTES, self._level + (now - self._last) * _BYTES_PER_SECOND)
        self._last = now
        if len(data) > self._level:
            self._n_left_out += len(data)
            return
        self._level -= len(data)
        note = f"\n[{self._n_left_out:,} bytes left out: too many at once]\n".encode() if self._n_left_out else b""
        self._n_left_out = 0
        self.file.write(note + data)


class LogKeeper:
    """Takes what the Hub and its sessions print.

    Parameters
    ----------
    hub_file
        The file for the Hub, its proxy and the service.
    sessions
        Folder for the sessions' files.
    path
        The socket to which the Hub connects for each session; closed to all other accounts.
    """

    def __init__(self, hub_file: Path, sessions: Path, path: Path) -> None:
        sessions.mkdir(mode=0o700, exist_ok=True)
        self._sessions, self._path = sessions, path
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._listening.bind(str(path))
        finally:
            os.umask(before)
        self._listening.listen(256)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ, None)
        #: The socket that the Hub prints to.
        self.hub_end, own_end = socket.socketpair()
        hub = _Source(TurningFile(hub_file, _HUB_BYTES, _N_HUB_FILES), is_bounded=False)
        self._selector.register(own_end, selectors.EVENT_READ, hub)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read what has arrived so far, then end."""
        self._wake.close()
        self._thread.join(timeout=5)
        for each in (self._listening, self.hub_end):
            each.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            ready = self._selector.select()
            for key, _ in ready:
                if key.fileobj is self._listening:
                    self._accept()
                elif key.fileobj is not self._woken:
                    self._read(key.fileobj, key.data)  # type: ignore[arg-type]  # all others are sockets
            if len(ready) == 1 and ready[0][0].fileobj is self._woken:
                return

    def _accept(self) -> None:
        with suppress(OSError):
            connected, _ = self._listening.accept()
            self._selector.register(connected, selectors.EVENT_READ, _Source(None, is_bounded=True))

    def _read(self, connected: socket.socket, source: _Source) -> None:
        try:
            data = connected.recv(_CHUNK)
        except OSError:
            data = b""
        if data and source.file is None:
            data = self._with_name(source, data)
        elif not data or len(source.name) > _MAX_NAME_BYTES:
            self._selector.unregister(connected)
            connected.close()
            return
        if data:
            source.write(data)

    def _with_name(self, source: _Source, data: bytes) -> bytes:
        """Take the first line as the name of the file; return what follows it."""
        name, end, rest = (source.name + data).partition(b"\n")
        source.name = name
        if end:
            file = f"{quote(name.decode('utf-8', 'replace'), safe='')}.log"
            source.file = TurningFile(self._sessions / file, _SERVER_BYTES, _N_SERVER_FILES)
        return rest


@contextmanager
def log_of_server(path: Path, name: str) -> Iterator[socket.socket | int]:
    """Yield what a session prints to: a socket of its own, or the null device if nobody keeps logs."""
    with socket.socket(socket.AF_UNIX) as connected:
        try:
            connected.connect(str(path))
            connected.sendall(name.encode() + b"\n")
        except OSError:
            yield subprocess.DEVNULL
        else:
            yield connected
