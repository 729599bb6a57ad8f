"""A PostgreSQL server for tests: Debian's binaries, in a temporary folder, on a Unix socket there and no port."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SECONDS = 300


def _as_user(*command: str | Path) -> list[str]:
    """The command as root may run it: the server refuses to be root, and Debian makes a user for it."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    return [*prefix, *map(str, command)]


class Server:
    """A server that can be stopped and started again; databases are on `url`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._binaries = BINARIES[-1].parent
        self._run("initdb", "--pgdata", folder / "data", "--username", "sweep", "--auth", "trust", "--no-sync")

    def url(self, password: str = "secret") -> str:
        """A storage URL; the server asks for no password, and gets one."""
        return f"postgresql+psycopg2://sweep:{password}@/postgres?host={self._folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "-D", self._folder / "data", "-l", self._folder / "log", "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "-D", self._folder / "data", "--mode", "immediate")

    def _run(self, name: str, *arguments: str | Path) -> None:
        command = _as_user(self._binaries / name, *arguments)
        subprocess.run(command, check=True, timeout=SECONDS, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def running_server() -> Generator[Server]:
    """A server with an empty database, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="sweep-pg-") as name:  # short: a socket's path has 107 characters at most
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
