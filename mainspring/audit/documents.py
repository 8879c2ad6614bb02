"""Reading Markdown for whether it says something: placeholders, words, sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

MIN_WORDS = 25
"""Words outside of headings and code below which a document says nothing yet."""
MIN_SECTION_WORDS = 5
"""The same for one section of a runbook."""
MIN_DISTINCT = 0.5
"""The share of words that are not said before below which they are filling; only of short texts."""

_PLACEHOLDER = re.compile(r"(?i:<\s*describe[^>]*>|lorem ipsum|\{\{.*?\}\})|\b(?:TODO|TBD|FIXME)\b")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a Markdown file holds."""

    words: int
    placeholders: list[int]
    """Lines (from 1) where something is still to be written."""
    sections: dict[str, str]
    """Heading, simplified by ``simplify``, to the text below it, deeper headings included."""
    prose: str = ""
    """Its words, in lower case, one blank apart: the same for two documents that say the same."""

    @property
    def empty(self) -> list[str]:
        """The headings under which nothing stands, no code either."""
        return [name for name, body in self.sections.items() if not body.strip()]


def read_document(path: Path) -> Document | None:
    """Return what a Markdown file holds, or None when there is no readable one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return parse_document(text)


def parse_document(text: str) -> Document:
    """Return what Markdown text holds.

    >>> document = parse_document("# Runbook" + chr(10) + "## Roll back" + chr(10) + "Run `mainspring rollback`. TODO")
    >>> document.placeholders, list(document.sections)
    ([3], ['runbook', 'roll back'])
    """
    lines = text.splitlines()
    placeholders = [number for number, line in enumerate(lines, 1) if _PLACEHOLDER.search(line)]
    return Document(
        words=count_words(text), placeholders=placeholders, sections=_sections(lines), prose=" ".join(words_of(text))
    )


def count_words(text: str) -> int:
    """Count words outside of headings, fenced and indented code, comments and placeholders; filling counts once.

    >>> count_words("# Title" + chr(10) + "Two words." + chr(10) + "    some code" + chr(10) + "<describe this>")
    2
    >>> count_words("blah " * 30)
    1
    """
    words = words_of(text)
    distinct = len(set(words))
    return distinct if len(words) <= 100 and distinct < MIN_DISTINCT * len(words) else len(words)


def words_of(text: str) -> list[str]:
    """Return the words that ``count_words`` counts, in lower case."""
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"^(```|~~~).*?^\1\s*$", " ", text, flags=re.DOTALL | re.MULTILINE)
    kept = [line for line in text.splitlines() if not _HEADING.match(line) and not re.match(r" {4}|\t", line)]
    return re.findall(r"[^\W\d_][\w'’-]*", _PLACEHOLDER.sub(" ", "\n".join(kept)).lower())


def has_placeholder(text: str) -> bool:
    """Say whether something is still to be written."""
    return bool(_PLACEHOLDER.search(text))


def simplify(name: str) -> str:
    """Return a heading or a name in one form: lower case, words apart by one blank.

    >>> simplify("## `Input_Drift`".lstrip("# "))
    'input drift'
    """
    return " ".join(re.findall(r"[^\W_]+", name.lower()))


def _sections(lines: list[str]) -> dict[str, str]:
    headings: list[tuple[int, int, str]] = []
    fenced = False
    for number, line in enumerate(lines):
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (match := _HEADING.match(line)):
            headings.append((number, len(match[1]), simplify(match[2])))
    sections: dict[str, str] = {}
    for index, (start, depth, name) in enumerate(headings):
        end = next((other for other, level, _ in headings[index + 1 :] if level <= depth), len(lines))
        sections.setdefault(name, "\n".join(lines[start + 1 : end]))
    return sections
