"""The two consoles every command writes to."""

import sys

from rich.console import Console

# A file or a pipe has no width: tables are written out in full there rather than cut at 80 columns.
PIPE_WIDTH = 160

console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
errors = Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH)
