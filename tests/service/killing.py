"""Annotators that save while the service, the database and the clients are killed at seeded random moments.

If a flooder is named, that person meanwhile sends all that they may; their acknowledged events are compared as well.
Where several processes serve the project, each of them is killed alone, and now and then the one that holds them.

Each client is a process of its own. Its journal records what it was told: it notes an event's id before sending it, and
again once it is acknowledged. So after its death the next client knows what is open and sends it again, like a widget.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flooding import Flood
from postgres_server import PostgresServer
from serving import ROOT, ServiceProcess, StubHub, wait_until

from pipeline.project.folder import Project
from pipeline.store import open_store

_CLIENT = """
import os, sys, time
sys.path[:0] = [{tests!r}, {root!r}]
from serving import vote
from pipeline.errors import MlfError
from pipeline.service.client import RemoteSession
url, name, path, last = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
journal = open(path, "a+", buffering=1)
journal.seek(0)
lines = journal.read().split()
number = sum(line.startswith("sent:") for line in lines)
open_ids = [x[5:] for x in lines if x.startswith("sent:") and "done:" + x[5:] not in lines]
session = RemoteSession(url, "token-" + name)
stop = path + ".stop"
def save(event_id):
    event = vote(event_id, int(event_id.rpartition("-")[2]) % 10, annotator=name)
    while True:
        try:
            result = session.save([event])[0]
        except MlfError:
            time.sleep(0.02)
            continue
        assert result.seq is not None, result.error
        journal.write("done:" + event_id + "\\n")
        return
for event_id in open_ids:
    save(event_id)
while not os.path.exists(stop):
    event_id = f"{{name}}-kill-{{number:06d}}"
    number += 1
    journal.write("sent:" + event_id + "\\n")
    save(event_id)
"""


@dataclass(frozen=True)
class KillFigures:
    """The outcome: `n_given_up` counts events that a client sent and was never told about."""

    n_kills: int
    kills: dict[str, int]
    n_acknowledged: int
    n_lost: int
    n_doubled: int
    n_given_up: int
    flood: str = ""


class KillRun:
    """One run of kills on a seeded schedule."""

    def __init__(
        self,
        project: Project,
        hub: StubHub,
        n_kills: int,
        seed: int,
        postgres: PostgresServer | None = None,
        flooder: str = "",
    ) -> None:
        self._project, self._n_kills, self._postgres = project, n_kills, postgres
        self._random = random.Random(seed)
        self._folder = project.root.parent
        # As in a hub: a socket is taken over at once, while those that listened there may still be ending.
        self._sockets = tempfile.TemporaryDirectory(prefix="mlf-kills-")
        has_workers = project.settings.hub.processes > 1
        self._service = ServiceProcess(project, hub, socket=Path(self._sockets.name) / "s" if has_workers else None)
        self._clients: dict[str, subprocess.Popen[bytes]] = {}
        self._flood = Flood("mixed" if flooder else "none", self._service.url, f"token-{flooder}")

    def run(self) -> KillFigures:
        """Kill, restart and stop, then compare what clients were told with the store."""
        self._service.start().wait_ready()
        with self._flood:
            kills = self._kill_all()
        self._service.stop()
        self._sockets.cleanup()
        return self._compare(kills)

    def _kill_all(self) -> Counter[str]:
        for name in ("ann", "ben"):
            self._start_client(name)
        workers = ["worker", "worker"] if self._project.settings.hub.processes > 1 else []
        targets = ["service", *workers, "client", *(["postgres"] if self._postgres else [])]
        kills: Counter[str] = Counter()
        pause = threading.Event()
        try:
            for number in range(self._n_kills):
                self._wait_for_progress()
                pause.wait(self._random.random() * 0.05)
                target = targets[number % len(targets)] if number < len(targets) else self._random.choice(targets)
                self._kill(target)
                kills[target] += 1
            self._wait_for_progress()
            for name, client in self._clients.items():
                Path(f"{self._journal(name)}.stop").touch()
                assert client.wait(timeout=60) == 0
        finally:
            for client in self._clients.values():
                client.kill()
        return kills

    def _kill(self, target: str) -> None:
        if target == "service":
            self._service.kill()
            self._service.start().wait_ready()
        elif target == "worker":
            wait_until(self._kills_a_worker, 60, self._service.log.read_text)
        elif target == "client":
            name = self._random.choice(sorted(self._clients))
            self._clients[name].send_signal(signal.SIGKILL)
            self._clients[name].wait()
            self._start_client(name)
        else:
            assert self._postgres is not None
            self._postgres.kill()
            self._postgres.start()

    def _kills_a_worker(self) -> bool:
        """Kill one of those that serve; tell whether there was one."""
        with suppress(IndexError, ProcessLookupError):
            os.kill(self._random.choice(self._service.workers()), signal.SIGKILL)
            return True
        return False

    def _start_client(self, name: str) -> None:
        code = _CLIENT.format(tests=str(Path(__file__).parent), root=str(ROOT))
        with (self._folder / f"{name}.log").open("ab") as log:
            self._clients[name] = subprocess.Popen(
                [sys.executable, "-c", code, self._service.url, name, str(self._journal(name)), "0"],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )

    def _wait_for_progress(self) -> None:
        """Wait until new events have been acknowledged, so that every kill hits work in progress."""
        before = self._n_done()
        logs = self._folder.glob("*.log")
        wait_until(
            lambda: self._n_done() >= before + 5, 120, lambda: "\n".join(log.read_text()[-1500:] for log in logs)
        )

    def _n_done(self) -> int:
        return sum(len(self._noted(name, "done:")) for name in self._clients)

    def _journal(self, name: str) -> Path:
        return self._folder / f"{name}.journal"

    def _noted(self, name: str, word: str) -> set[str]:
        path = self._journal(name)
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return {line.removeprefix(word) for line in lines if line.startswith(word)}

    def _compare(self, kills: Counter[str]) -> KillFigures:
        with open_store(self._project.store_url, len(self._project.label_space)) as store:
            kept = Counter(event.event_id for event in store.iter_events())
        told = set().union(*(self._noted(name, "done:") for name in self._clients)) | {*self._flood.acknowledged}
        sent = set().union(*(self._noted(name, "sent:") for name in self._clients))
        return KillFigures(
            n_kills=kills.total(),
            kills=dict(kills),
            n_acknowledged=len(told),
            n_lost=len(told - set(kept)),
            n_doubled=sum(count > 1 for count in kept.values()),
            n_given_up=len(sent - told),
            flood=self._flood.told,
        )
