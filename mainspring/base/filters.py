"""Filters and orders as text: ``metrics.auc > 0.9 AND params.depth = '3'``, ``metrics.auc DESC``.

The language is the one of MLflow's search. A text is cut into tokens, the tokens are read into comparisons, and each is
held against a grammar: what can be asked about there, and how.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import msgspec

from mainspring.base.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = str | int | float | tuple[str, ...] | None

MOST_COMPARISONS = 100
MOST_LISTED = 10_000
ATTRIBUTE = "attribute"
"""The family of names without a prefix."""

_LARGEST = 2**63 - 1
_SHOWN = 60
_WORDS = {"NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE", "REGEXP", "BETWEEN"}
_DIGITS = re.compile(r"\.[0-9]+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<name>`[^`]*`)
    | (?P<text>'(?:''|\\'|[^'])*' | "(?:""|\\"|[^"])*")
    | (?P<number>-?(?>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?!\w))
    | (?P<word>\w+)
    | (?P<symbol>[<>=!~]+|[().,])""",
    re.VERBOSE,
)


class Kind(NamedTuple):
    """How values of one kind are compared, and how they are written.

    ``number``: as a number. ``whole``: as a whole one. ``bare``: a text may come without quotes where it is a number, and
    a number with them.
    """

    comparators: tuple[str, ...]
    number: bool = False
    whole: bool = False
    bare: bool = False


class Family(NamedTuple):
    """What is asked about under a prefix: any name, all of one kind, or the names of ``names``, each with its own.

    ``aliases`` are other spellings of the names; ``sortable`` are the spellings that an order can use, None for all.
    """

    prefixes: tuple[str, ...]
    kind: Kind = Kind(())
    names: Mapping[str, Kind] | None = None
    aliases: Mapping[str, str] = {}
    sortable: tuple[str, ...] | None = ()


class Grammar(NamedTuple):
    """What can be asked about some kind of thing."""

    about: str
    families: Mapping[str, Family]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One condition. ``comparator`` is in capitals; ``value`` is a tuple after IN and NOT IN, None after IS."""

    entity: str
    key: str
    comparator: str
    value: str | int | float | tuple[str, ...] | None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to sort by."""

    entity: str
    key: str
    ascending: bool


SIGNS = ("=", "!=", "<", "<=", ">", ">=")
PATTERNS = ("=", "!=", "LIKE", "ILIKE")
NUMBER = Kind(SIGNS, number=True)
TEXT = Kind(PATTERNS)
LISTED = Kind((*PATTERNS, "IN", "NOT IN"))
OPTIONAL = Kind((*PATTERNS, "IS NULL", "IS NOT NULL"))


def parse_filter(text: str, grammar: Grammar) -> tuple[Comparison, ...]:
    """Return the conditions of a filter, all of which have to hold; an empty text has none.

    >>> MODELS = Grammar("models", {"tag": Family(("tags", "tag"), TEXT), "attribute": Family((), names={"name": LISTED})})
    >>> for found in parse_filter("name IN ('a', 'b') AND tags.`the owner` like '%x'", MODELS): print(found)
    Comparison(entity='attribute', key='name', comparator='IN', value=('a', 'b'))
    Comparison(entity='tag', key='the owner', comparator='LIKE', value='%x')

    Raises:
        UsageError: it is no filter of this grammar; the message says where, the hint says what is known there.
    """
    reader = _Reader(text, "filter")
    found: list[Comparison] = []
    while reader.here is not None:
        if not reader.takes("AND"):
            found.append(_comparison(reader, grammar))
    if len(found) > MOST_COMPARISONS:
        raise UsageError(f"a filter can hold at most {MOST_COMPARISONS} comparisons, this one has {len(found)}")
    if sum(len(item.value) for item in found if isinstance(item.value, tuple)) > MOST_LISTED:
        raise UsageError(f"a filter can list at most {MOST_LISTED} values", hint="ask several times")
    return tuple(found)


def parse_order(text: str, grammar: Grammar) -> Order:
    """Return what an order such as ``metrics.auc DESC`` sorts by; without a direction it ascends.

    >>> RUNS = Grammar("runs", {"metric": Family(("metrics", "metric"), NUMBER, sortable=None)})
    >>> parse_order("metrics.auc DESC", RUNS)
    Order(entity='metric', key='auc', ascending=False)

    Raises:
        UsageError: it is no order of this grammar.
    """
    reader = _Reader(text, "order")
    start = reader.place
    entity, key, spelling = _name(reader, grammar)
    sortable = grammar.families[entity].sortable
    if sortable is not None and spelling not in sortable:
        reader.fail(f"{grammar.about} cannot be ordered by '{spelling}'", _sortable(grammar), start)
    ascending = not reader.takes("DESC")
    if ascending:
        reader.takes("ASC")
    if reader.here is not None:
        reader.fail(f"'{reader.here.text}' is too much", "an order is a name, and ASC or DESC", reader.here.start)
    return Order(entity=entity, key=key, ascending=ascending)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class _Reader:
    """The tokens of a text, and where the reading is."""

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.what = what
        self.tokens = self._cut()
        self.index = 0

    @property
    def here(self) -> _Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def place(self) -> int:
        return len(self.text) if self.here is None else self.here.start

    def take(self) -> _Token:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def takes(self, word: str) -> bool:
        """Go past a word or symbol if it is here; say whether it was."""
        found = self.here is not None and self.here.kind in ("word", "symbol") and self.here.text.upper() == word
        self.index += found
        return found

    def fail(self, problem: str, hint: str, place: int) -> NoReturn:
        shown = self.text if len(self.text) <= _SHOWN else f"…{self.text[max(place - 20, 0) : place + 40]}…"
        raise UsageError(
            f'the {self.what} "{shown}" cannot be read at character {place + 1}: {problem}', hint=hint, place=place
        )

    def _cut(self) -> list[_Token]:
        if unstorable := _UNSTORABLE.search(self.text):
            self.fail("no text that is stored holds this character", "leave it out", unstorable.start())
        found: list[_Token] = []
        place = 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                quote = self.text[place] in "'\"`"
                problem = "the quote is not closed" if quote else f"'{self.text[place]}' has no meaning"
                self.fail(problem, "put names with such characters into backticks, values into quotes", place)
            if match.lastgroup != "space":
                found.append(_Token(str(match.lastgroup), match.group(), place))
            place = match.end()
        return found


def _comparison(reader: _Reader, grammar: Grammar) -> Comparison:
    entity, key, spelling = _name(reader, grammar)
    family = grammar.families[entity]
    kind = family.kind if family.names is None else family.names[key]
    start = reader.place
    comparator = _comparator(reader)
    if comparator not in kind.comparators:
        said = f"'{comparator}' is no comparator" if comparator else "a comparator is missing"
        hint = f"known: {', '.join(kind.comparators)}; a name with other characters than letters goes into backticks"
        reader.fail(f"{said} for the {entity} '{spelling}'", hint, start)
    return Comparison(entity=entity, key=key, comparator=comparator, value=_value(reader, kind, comparator))


def _parts(reader: _Reader) -> list[str]:
    """Go past a name with its prefix; return what stands between its dots, without quotes."""
    parts: list[str] = []
    if (token := reader.here) is not None and token.kind == "text" and token.text[0] == '"':
        return [reader.take().text[1:-1]]
    while (token := reader.here) is not None and token.kind in ("word", "name", *(["text"] if parts else [])):
        parts.append(token.text if token.kind == "word" else token.text[1:-1])
        reader.take()
        dot = reader.here
        while dot is not None and dot.start == token.end and _DIGITS.fullmatch(dot.text):  # precision.1
            parts.append(dot.text[1:])
            token = reader.take()
            dot = reader.here
        if dot is None or dot.text != "." or dot.start != token.end:
            return parts
        reader.take()
        after = reader.here
        if after is None or after.start != dot.end or after.kind not in ("word", "name", "text"):
            return [*parts, ""]
    return parts


def _name(reader: _Reader, grammar: Grammar) -> tuple[str, str, str]:
    """Return family, name and the name's spelling of what comes next."""
    start = reader.place
    parts = _parts(reader)
    if not parts or "" in parts:
        missing = bool(parts) or reader.here is None
        reader.fail("a name is missing" if missing else "what stands there is no name", _askable(grammar), start)
    prefix, key = (parts[0], ".".join(parts[1:])) if len(parts) > 1 else ("", parts[0])
    entity = ATTRIBUTE
    if prefix:
        found = [name for name, family in grammar.families.items() if prefix in family.prefixes]
        if not found:
            reader.fail(f"'{prefix}' is none of the prefixes", _askable(grammar), start)
        entity = found[0]
    family = grammar.families[entity]
    name = family.aliases.get(key, key)
    if family.names is not None and name not in family.names:
        known = [*(family.names or ()), *family.aliases]
        hint = did_you_mean(key, known) or _askable(grammar)
        reader.fail(f"there is no {entity} '{key}' of {grammar.about}", hint, start)
    return entity, name, key


def _comparator(reader: _Reader) -> str:
    token = reader.here
    if token is not None and token.kind == "symbol" and token.text[0] in "<>=!~":
        return reader.take().text
    words: list[str] = []
    while (token := reader.here) is not None and token.kind == "word" and token.text.upper() in _WORDS:
        words.append(reader.take().text.upper())
    return " ".join(words)


def _value(reader: _Reader, kind: Kind, comparator: str) -> Value:
    if comparator.startswith("IS"):
        return None
    if comparator.endswith("IN"):
        return _listed(reader)
    token = reader.here
    wanted = ("text", "number") if kind.bare else ("number",) if kind.number else ("text",)
    if token is None or token.kind not in wanted:
        said = "a value is missing" if token is None else f"'{token.text}' is no value here"
        hint = "give a number" if kind.number else "give a text in quotes, such as 'x'"
        reader.fail(said, hint, reader.place)
    reader.take()
    text = token.text[1:-1] if token.kind == "text" else token.text
    if not kind.number:
        return text
    number = _number(text)
    if number is None or (kind.whole and not isinstance(number, int)):
        reader.fail(f"{token.text} is no{' whole' if kind.whole else ''} number", "give a number", token.start)
    return number


def _number(text: str) -> int | float | None:
    try:
        whole = int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
    return whole if abs(whole) <= _LARGEST else float(text)


def _listed(reader: _Reader) -> tuple[str, ...]:
    hint = "give texts in quotes, such as ('a', 'b')"
    if not reader.takes("("):
        reader.fail("a list is missing", hint, reader.place)
    found: list[str] = []
    while not reader.takes(")"):
        token = reader.here
        if token is None or token.kind != "text":
            said = "the list is not closed" if token is None else f"'{token.text}' is no text in quotes"
            reader.fail(said, hint, reader.place)
        found.append(reader.take().text[1:-1])
        if not reader.takes(",") and (reader.here is None or reader.here.text != ")"):
            reader.fail("a comma or the end of the list is missing", hint, reader.place)
    if not found:
        reader.fail("the list is empty", hint, reader.place)
    return tuple(found)


def _askable(grammar: Grammar) -> str:
    """Return what a filter can name, in words."""
    free = [f"{family.prefixes[0]}.NAME" for family in grammar.families.values() if family.names is None]
    closed = [
        f"{family.prefixes[0]}.{name}" if entity != ATTRIBUTE else name
        for entity, family in grammar.families.items()
        for name in family.names or ()
    ]
    return f"known: {', '.join([*free, *closed])}"


def _sortable(grammar: Grammar) -> str:
    free = [f"{family.prefixes[0]}.NAME" for family in grammar.families.values() if family.sortable is None]
    closed = [name for family in grammar.families.values() for name in family.sortable or ()]
    return f"known: {', '.join([*free, *closed])}"
