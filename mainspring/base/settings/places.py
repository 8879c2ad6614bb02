"""Where in the files of settings something is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from mainspring.base.yamls import SafeLoader

if TYPE_CHECKING:
    from pathlib import Path

Step = str | int
"""A key of a mapping, or a place in a list."""


def locate(steps: list[Step], sources: list[Path]) -> tuple[str, str]:
    """Return ``file:line`` of the deepest known part of a path, and that line shown."""
    best: tuple[int, Path, int] = (-1, sources[-1], 0)
    for source in sources:
        depth, line = _depth_and_line(yaml.compose(source.read_text(encoding="utf-8"), Loader=SafeLoader), steps)
        if depth > best[0]:
            best = (depth, source, line)
    _, source, line = best
    lines = source.read_text(encoding="utf-8").splitlines()
    shown = f"\n  {line + 1} | {lines[line].rstrip()}" if line < len(lines) else ""
    return f"{source}:{line + 1}", shown


def _depth_and_line(node: yaml.Node | None, steps: list[Step]) -> tuple[int, int]:
    depth, line = 0, node.start_mark.line if node else 0
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
        depth += 1
    return depth, line
