"""A PostgreSQL server for tests, under an ordinary account: it can be killed, started again and made read-only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving import free_port, wait_until


@dataclass
class PostgresServer:
    """A PostgreSQL server for the tests alone, under an ordinary account."""

    folder: Path
    binaries: Path
    port: int
    user: str
    process: subprocess.Popen[bytes] | None = None
    n_databases: int = 0

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as sink:
            self.process = subprocess.Popen(
                [
                    str(self.binaries / "postgres"),
                    *("-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c", "shared_buffers=32MB"),
                ],
                user=self.user,
                extra_groups=[],
                stdout=sink,
                stderr=sink,
                cwd=self.folder,
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it takes connections."""
        import psycopg

        def answers() -> bool:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(answers, 60, lambda: (self.folder / "log").read_text()[-2000:])

    def dsn(self, database: str) -> str:
        """Return the address of a database for libpq."""
        return f"postgresql://owner@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; return its SQLAlchemy URL."""
        import psycopg

        self.n_databases += 1
        name = f"mlf_{self.n_databases}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://owner@127.0.0.1:{self.port}/{name}"

    def set_read_only(self, url: str, is_read_only: bool) -> None:
        """Make a database read-only for new connections, and end the old ones; or undo that."""
        import psycopg

        name = url.rpartition("/")[2]
        word = "on" if is_read_only else "off"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {word}")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    def kill(self) -> None:
        """End all of its processes as a power cut would."""
        import psutil

        assert self.process is not None
        first = psutil.Process(self.process.pid)
        first.suspend()  # so that it starts no other meanwhile
        wait_until(lambda: first.status() == psutil.STATUS_STOPPED, 60, lambda: "PostgreSQL does not stop")
        everyone = [*first.children(recursive=True), first]
        for act in (psutil.Process.suspend, psutil.Process.kill):  # so that none sees another die
            for each in everyone:
                with suppress(psutil.NoSuchProcess):  # it had just ended by itself
                    act(each)
        self.process.wait()
        psutil.wait_procs(everyone, timeout=60)

    def stop(self) -> None:
        """End it and remove its files."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=120)
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postgres() -> PostgresServer:
    """Start Debian's PostgreSQL in a new folder, or skip the test."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL below /usr/lib/postgresql; apt-get install postgresql")
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "postgres" if _has_account("postgres") else "nobody"
    folder = Path(tempfile.mkdtemp(prefix="mlf-pg-"))
    shutil.chown(folder, user)
    server = PostgresServer(folder, found[-1].parent, free_port(), user)
    subprocess.run(
        [str(server.binaries / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-A", "trust", "-E", "UTF8"],
        user=user if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        check=True,
        capture_output=True,
        cwd=folder,
    )
    server.start()
    return server


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server, or skip where the machine has none."""
    server = start_postgres()
    yield server
    server.stop()
