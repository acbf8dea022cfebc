"""What every command writes to: two consoles, on which text is text, and JSON."""

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import msgspec
from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from telemetry_platform.errors import TelemetryError
from telemetry_platform.settings import process_environment

# A file or a pipe has no width: tables are written out in full there rather than cut at 80 columns.
PIPE_WIDTH = 160
BROKEN_PIPE = 141

# Control characters, ends of lines and paragraphs, halves of characters: none of them has a picture of its own.
_STEERING_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})
# They turn round the order in which the rest of the line is shown.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def printable(text: str) -> str:
    """Text of the internet on one line of a terminal: what could steer it (escape sequences, line ends) is a dot."""
    if text.isprintable():
        return text
    return "".join("·" if _steers(character) else character for character in text)


def printable_lines(text: str) -> str:
    """Several lines of the same; only their ends are kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _steers(character: str) -> bool:
    return unicodedata.category(character) in _STEERING_CATEGORIES or character in _DIRECTIONS


class Screen(Console):
    """A console that shows text as it is: no markup, no emoji codes, no highlights, no escape sequences.

    A player may be called `[bold red]Mia[/]` and a folder `[old]`; so whatever is printed or stands in a
    cell is taken literally, and styles of our own are given as `style=` or as a rich Text.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        has_width = (stream is not None and stream.isatty()) or "COLUMNS" in process_environment()
        width = None if has_width else PIPE_WIDTH
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return `text` without what could steer the terminal; rich asks for every string it is given."""
        return super().render_str(printable_lines(text), **options)

    def on_broken_pipe(self) -> NoReturn:
        """End as a program does that the system's SIGPIPE ends, without a word; `| head` has read enough."""
        self.forget()
        raise SystemExit(BROKEN_PIPE)

    def forget(self) -> None:
        """Let what is still buffered go nowhere, instead of failing once more when Python ends."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    @contextmanager
    def writing_to(self, stream: IO[str]) -> Iterator[None]:
        """Write to `stream`, whatever `sys.stdout` is by then."""
        before, self._file = self._file, stream
        try:
            yield
        finally:
            self._file = before


console = Screen()
errors = Screen(stderr=True)


class Description(ProgressColumn):
    """A progress bar's description, as it is: rich's own column would read markup in a file's name."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Return the description."""
        return Text(printable(task.description))


def report(line: str) -> None:
    """Say on stderr what was done, under the command that does it."""
    errors.print(f"  {line}", soft_wrap=True)


def write(text: str) -> None:
    """Write `text` to standard output as it stands, at once."""
    try:
        console.file.write(text)
        console.file.flush()
    except BrokenPipeError:
        console.on_broken_pipe()
    except OSError as error:
        console.forget()
        raise TelemetryError(f"The output could not be written: {error.strerror}.") from error


def print_json(document: Any) -> None:
    """Print a document as one line of JSON."""
    write(f"{to_json(document)}\n")


def to_json(document: Any) -> str:
    """JSON of a document: decimals as numbers with all their digits, NaN and infinities as null."""
    return _ENCODER.encode(document).decode()
