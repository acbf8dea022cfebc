"""The two consoles every command writes to."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)
