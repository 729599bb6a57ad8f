"""What all commands share: the application, their common arguments, how errors end."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

order = (
    *("new", "check", "run", "audit", "report", "show", "train", "import", "rescue", "replay", "compare", "judge"),
    *("importance", "plan", "verify", "dashboard"),
)


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which one meets them, and not of the modules that define them."""
        return sorted(super().list_commands(ctx), key=order.index)


class WithProgram(TyperCommand):
    """A command behind which, after `--`, a program and its arguments may stand: they are nobody else's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the program out, so that no option of it is one of ours."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[program_key] = tuple(args[place + 1 :])
            args = args[:place]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage, with the program."""
        return [*super().collect_usage_pieces(ctx), "[-- PROGRAM ARG...]"]


program_key = "sweep.program"


def program_of(ctx: typer.Context, *, engine_options: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """The program behind `--`; None where there is none. Raises `SettingError` for an option of engines beside it."""
    program: tuple[str, ...] | None = ctx.meta.get(program_key)
    if program is not None:
        check_not_given(ctx, *engine_options)
    return program


def check_not_given(ctx: typer.Context, *options: str, of: str = "of networks") -> None:
    """Raise `SettingError` where one of these options was typed: it is of something else than what is asked."""
    from sweep.runs.errors import SettingError

    for name in options:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise SettingError((f"--{name}",), f"is {of}", "allowed: without it")


app = typer.Typer(
    cls=_InOrder,
    help="Find out which neural-network configurations reliably learn.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"xor-sweep {version('xor-sweep')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command; `Typer(help=...)` is what is shown."""


ExperimentPath = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="An experiment file (YAML).", show_default=False)
]
ResultsPath = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder.", show_default=False)]
EngineName = Annotated[str, typer.Option(help="auto, native, fused or keras.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu or gpu, which the fused engine uses.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads; all cores where not given.", show_default=False)]


Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The database to ask for the study. A folder that was not made here may name one; it is not asked.",
        show_default=False,
    ),
]


def _hush(is_quiet: bool) -> bool:
    """Let the package log errors only: not that the kernel is being compiled."""
    logging.getLogger("sweep").setLevel(logging.ERROR if is_quiet else logging.WARNING)
    return is_quiet


Quiet = Annotated[bool, typer.Option("--quiet", help="Errors only.", callback=_hush)]


def say(message: str) -> None:
    """A message for a person, to stderr; control characters are made visible."""
    from sweep.runs.errors import visible

    print(visible(message), file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """A result, to stdout; control characters are made visible, and JSON stays JSON."""
    from sweep.runs.errors import visible

    print(visible(text))


def tell_json(record: Any) -> None:
    """A result as JSON, to stdout."""
    tell(json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False))


def _let_go_of_stdout() -> None:
    """Leave what cannot be written: Python would try again at its end, and say so."""
    sys.stdout = open(os.devnull, "w")  # closed by the end of the process


@contextmanager
def user_errors(going_on: str = "") -> Generator[None]:
    """Bad input ends with one message and exit code 2; an interruption says how to go on and ends with 130."""
    from sweep.runs.errors import UserError

    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _let_go_of_stdout()
        raise typer.Exit(0) from None
    except UserError as error:
        say(str(error))
        raise typer.Exit(2) from None
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        if not error.filename:
            _let_go_of_stdout()
        raise typer.Exit(2) from None
    except MemoryError:
        say(f"not enough memory{going_on}")
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        say(f"interrupted{going_on}")
        raise typer.Exit(130) from None


@contextmanager
def gentle_stop() -> Generator[Callable[[], bool]]:
    """Whether Ctrl-C asked for an end; a second one ends the process at once, and its programs, as SIGTERM does.

    The messages go past Python's buffers: a signal may come while something is being printed.
    """
    from sweep.training.processes import end_all

    n_asked = 0

    def on_signal(*_: object) -> None:
        nonlocal n_asked
        n_asked += 1
        if n_asked > 1:
            end_all()  # the programs of runs have groups of their own
            show_cursor = "\033[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
            os.write(2, f"\n{show_cursor}stopped at once; the same command goes on where it stopped\n".encode())
            os._exit(130)
        os.write(2, b"\nstopping: what is in training ends and is kept; Ctrl-C again stops at once\n")

    def on_end(number: int, *_: object) -> None:
        end_all()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGINT, on_signal), signal.signal(signal.SIGTERM, on_end)
    try:
        yield lambda: n_asked > 0
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
