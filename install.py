"""Install what a lock names into this environment: by uv, a wheel of its own lock; by pip where uv cannot do it.

Usage: python install.py LOCK [--editable]. `make setup` calls it; it needs nothing but Python. Both installers check
every hash. Neither is heard: a line says how far it is, and what it wrote is shown where it fails.
"""

import ast
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
UV = Path(sys.executable).parent / "uv"
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input")

# pip's options that say where packages come from, and the variables of uv for the same
sources = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


def uv_variables(configuration: str) -> dict[str, str]:
    """The variables by which uv asks the indexes that pip is configured for, from the text of `pip config list`.

    A lock's hashes say what a package is, so it may come from any of them. Later sections of the text are stronger.

    >>> uv_variables("global.index-url='https://a.example/simple'")
    {'UV_INDEX_STRATEGY': 'unsafe-best-match', 'UV_DEFAULT_INDEX': 'https://a.example/simple'}
    """
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    strength = ("global", "install", ":env:")
    lines = re.findall(r"^(global|install|:env:)\.([a-z-]+)=(.*)$", configuration, flags=re.MULTILINE)
    for _, option, value in sorted(lines, key=lambda line: strength.index(line[0])):
        if option in sources:
            found[sources[option]] = " ".join(str(ast.literal_eval(value)).split())
    return found


def progress(lines: Sequence[str], n_packages: int) -> str:
    """How far an installer is, from what it has written so far; empty where that says nothing yet.

    >>> progress(["Downloading scipy (33.7MiB)", "Downloading tensorflow (545.9MiB)", " Downloaded scipy"], 73)
    '35 of 608 MB, waiting for tensorflow'
    >>> progress(["Collecting absl-py==2.5.1 (from -r requirements.lock (line 1))"], 73)
    '1 of 73 packages'
    """
    unit = {"KiB": 2**10 / 1e6, "MiB": 2**20 / 1e6, "GiB": 2**30 / 1e6}
    sizes: dict[str, float] = {}
    for line in lines:
        if found := re.match(r"Downloading (\S+) \(([\d.]+)([KMG]iB)\)", line):
            sizes[found[1]] = float(found[2]) * unit[found[3]]
    if sizes:
        left = {name: size for name, size in sizes.items() if f"Downloaded {name}" not in [s.strip() for s in lines]}
        waiting = f", waiting for {max(left, key=left.__getitem__)}" if left else ""
        return f"{sum(sizes.values()) - sum(left.values()):.0f} of {sum(sizes.values()):.0f} MB{waiting}"
    n_collected = len({line.split()[1] for line in lines if line.startswith("Collecting ")})
    return f"{n_collected} of {n_packages} packages" if n_collected else ""


def run_quietly(command: Sequence[str], what: str, n_packages: int, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run an installer and say on a terminal how far it is: its exit code, and all that it wrote."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env={**environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        started = time.monotonic()
        while process.poll() is None:
            time.sleep(0.2)
            if sys.stderr.isatty():
                said = progress(lines, n_packages)
                print(f"\r\033[K  {what}: {said or '...'} {time.monotonic() - started:.0f} s", end="", file=sys.stderr)
        reader.join()
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return process.returncode, "".join(lines)


def errors_of(said: str) -> str:
    r"""What an installer wrote of a failure: without pip's warnings and notices and the lines of what went well.

    >>> errors_of("WARNING: Location is ignored\nCollecting a\nERROR: No matching distribution")
    'ERROR: No matching distribution'
    """
    lines = said.splitlines()
    first = next((i for i, line in enumerate(lines) if re.match(r"\s*(error|ERROR)", line)), 0)
    return "\n".join(line for line in lines[first:] if not re.match(r"WARNING:|\[notice\]", line))


def install(arguments: Sequence[str], what: str, n_packages: int) -> None:
    """Install by uv, else by pip; ends the program with pip's errors where that fails too."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        print(f"  {what} ...", end="", flush=True, file=sys.stderr)
    code, said = 1, ""
    if UV.exists():
        configured = subprocess.run((*PIP[:3], "config", "list"), capture_output=True, text=True).stdout
        command = (str(UV), "pip", "install", "--python", sys.executable, *arguments)
        code, said = run_quietly(command, what, n_packages, {**uv_variables(configured), **os.environ})
        if code:
            print(
                f" uv could not:\n{errors_of(said)}\n  {what}: by pip, in minutes ...",
                end="",
                flush=True,
                file=sys.stderr,
            )
    if code:
        code, said = run_quietly((*PIP, *arguments), what, n_packages, os.environ)
    if code:
        sys.exit(f"\n{errors_of(said)}\nset-up stopped: {what} could not be installed")
    print(f"{f'  {what}:' * sys.stderr.isatty()} {time.monotonic() - started:.0f} s", file=sys.stderr)


def fetch_uv() -> None:
    """Put the uv of its lock into this environment, or say that pip will do its work."""
    lock = HERE / "requirements-setup.lock"
    if UV.exists() and f"uv=={version('uv')} " in lock.read_text(encoding="utf-8"):
        return
    arguments = ("--retries", "1", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    if subprocess.run((*PIP, *arguments), capture_output=True).returncode:
        UV.unlink(missing_ok=True)
        print("  uv cannot be had here: pip does its work, in minutes", file=sys.stderr)


def main() -> None:
    """Install the lock that is named; with `--editable` this project too, its dependencies being those of the lock."""
    lock = Path(sys.argv[1])
    fetch_uv()
    n_packages = len(re.findall(r"^[A-Za-z0-9][\w.-]*==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
    what = f"packages: {lock.name}"
    install(("--require-hashes", "--requirement", str(lock)), what, n_packages)
    if "--editable" in sys.argv[2:]:
        install(("--no-deps", "--no-build-isolation", "--editable", str(HERE)), "packages: this one", 1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
