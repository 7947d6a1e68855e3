"""The command `napari-intseg`: finds the sub-command and turns errors into one line."""

import argparse
import io
import logging
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any, NoReturn, TextIO

import napari_intseg
from napari_intseg.cli.shared_options import INTERRUPTED, one_line, told
from napari_intseg.errors import IntSegError

# in the order of the work: --help lists them so
COMMANDS = (
    "segment",
    "batch",
    "start",
    "more",
    "guide",
    "series",
    "models",
    "weights",
    "demo",
    "track",
    "measure",
    "cutout",
    "cloud",
    "evaluate",
    "compare",
    "train",
    "replay",
    "agree",
    "workload",
    "bundle",
    "serve",
)
"""Sub-commands, each a module of this package with `HELP`, `DESCRIPTION`, `add_arguments(parser)`
and `run(args) -> int`; heavy imports belong into `run`. Adding one is one file and one line."""

# argparse's own for wrong arguments
BAD_INPUT = 2


# of the control characters, those that are no ends of lines or columns; and what turns the
# direction of writing, so that a name reads as another
_STEERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Console:
    """A stream on which names from files of anyone are seen, and do nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what would steer a terminal as its number."""
        return self._stream.write(_STEERS.sub(lambda found: repr(found[0])[1:-1], text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        tell_error(f"{message}. See `{self.prog} --help`.")
        raise SystemExit(BAD_INPUT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Without the program's name; by default the one it was started with.

    Returns
    -------
    int
        The exit status: 0 done, 2 bad input, 130 interrupted.
    """
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        # a name with letters that the console lacks is told in their numbers, not by a traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if argv is None else argv)
    with redirect_stdout(_console(sys.stdout)), redirect_stderr(_console(sys.stderr)):
        return _run(given)


def _console(stream: Any) -> Any:
    # without a console, as in a program of windows alone, there is none
    return stream if stream is None else _Console(stream)


def _run(given: list[str]) -> int:
    try:
        args = _parser().parse_args(_joined(given))
        with told():
            return int(args.run(args))
    except SystemExit as stop:
        # a status instead of an exit, so that tests and other programs can call `main`
        return stop.code if isinstance(stop.code, int) else 0
    except IntSegError as err:
        tell_error(str(err))
        return BAD_INPUT
    except KeyboardInterrupt:
        tell_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of a pipe, such as `head`, has seen enough
        # Python would print a traceback while it flushes the broken stream at exit
        sys.stderr.close()
        return 0
    except OSError as err:
        # what the system says of a path that no command has looked at: a name that is too long, a
        # pipe in place of a folder
        tell_error(
            f"path cannot be used: expected one that the system takes, got "
            f"{str(err.filename)[:200]!r} ({err.strerror or err}). Check the name."
        )
        return BAD_INPUT


def tell_error(message: str) -> None:
    """Print an error as one line on the standard error."""
    print(f"napari-intseg: error: {one_line(message)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="napari-intseg",
        description="Clicks become masks in scientific and medical images. "
        "`napari-intseg COMMAND --help` tells more of each command, with examples.",
    )
    parser.add_argument("--version", action="version", version=napari_intseg.__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        # every module is imported for its help, so none may import what is slow: loading torch and
        # reports with them made --help take 2.2 s instead of 0.5
        module: Any = import_module(f"napari_intseg.cli.{name}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _joined(argv: list[str]) -> list[str]:
    """Return the words with `--window -160,240` as one: argparse takes the value for an option."""
    out: list[str] = []
    for word in argv:
        if out and re.fullmatch(r"--[a-z-]+", out[-1]) and re.match(r"-[\d.]", word):
            out[-1] += f"={word}"
        else:
            out.append(word)
    return out


if __name__ == "__main__":
    sys.exit(main())
