"""YAML of a registry entry, with text kept as it is written.

YAML takes `2048`, `no` and `2026-01-01` for a number, a boolean and a day, and `1.10` for 1.1. Where an entry
has a text, the letters are what counts.
"""

from pathlib import Path
from typing import Any

import yaml

LARGEST_FILE_BYTES = 256 * 1024
MOST_VALUES = 50_000
_TEXT_TAG = "tag:yaml.org,2002:str"
_MERGE_KEY = "<<"
# The fields that are text, by where they are; `*` stands for each item of a list.
_TEXT_FIELDS = frozenset(
    {
        *(("name",), ("reporting_currency",), ("events",)),
        *(("test_players", "*", "player_id"), ("test_builds", "*", "build_version")),
        *(("funnels", "*", "name"), ("funnels", "*", "steps", "*", "event")),
    }
)


def read_yaml(path: Path) -> Any:
    """Return the document in `path`, plain scalars of text fields, and keys, as they are written.

    Raises OSError for what is no readable file, and ValueError, RecursionError or yaml.YAMLError for what is no
    YAML of a size that an entry can have.
    """
    if not path.is_file():
        raise OSError("it is no file, or a link that leads nowhere")
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise ValueError(f"it is larger than {LARGEST_FILE_BYTES} bytes")
    loader = yaml.SafeLoader(content.decode("utf-8-sig"))
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _bound(root)
        _keep_text(root, ())
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _bound(root: yaml.Node) -> None:
    """Refuse a document that its aliases make larger than `MOST_VALUES`: a few lines can stand for billions."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise ValueError("an alias leads back to what holds it")
            return known
        sizes[id(node)] = None
        total = sizes[id(node)] = 1 + sum(size(child) for child in _children(node))
        if total > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES} values")
        return total

    size(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _keep_text(node: yaml.Node, place: tuple[str, ...]) -> None:
    if isinstance(node, yaml.ScalarNode):
        if place in _TEXT_FIELDS:
            node.tag = _TEXT_TAG
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _keep_text(item, (*place, "*"))
    else:
        for key, value in node.value:
            is_scalar = isinstance(key, yaml.ScalarNode)
            if is_scalar and key.value != _MERGE_KEY:
                key.tag = _TEXT_TAG
            _keep_text(value, (*place, key.value if is_scalar else ""))
