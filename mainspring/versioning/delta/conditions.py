"""Which rows of a Delta table are meant, as text: ``id = 7 AND (city IN ('a', 'b') OR "paid at" < '2026-01-01')``.

The library for tables has conditions of its own, but casts a value to the type of the column it is compared with, cutting
what does not fit (``id >= 1.5`` takes 1), stops reading where it no longer understands (``id > 2 adn id < 4`` takes 4), and
leaves files out, or takes them whole, by statistics that know nothing of NaN. Rows are not to be deleted by that. So a
condition is read here, held against the columns and looked up in frames.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import polars as pl

from mainspring.base.errors import UsageError, did_you_mean
from mainspring.versioning.delta.values import WrongValue, text_pattern, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<name>"(?:""|[^"])+" | `(?:``|[^`])+`)
    | (?P<text>'(?:''|[^'])*')
    | (?P<number>[+-]?(?>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?!\w))
    | (?P<word>[^\W\d]\w*)
    | (?P<symbol><=|>=|<>|!=|==|[=<>(),])""",
    re.VERBOSE,
)
_WORDS = {"AND", "OR", "NOT", "IN", "IS", "NULL", "NAN", "LIKE", "BETWEEN", "TRUE", "FALSE", "DATE", "TIMESTAMP"}
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": eq, "==": eq, "!=": ne, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge
}  # fmt: skip
_FORMS = (
    "COLUMN = VALUE (!= < <= > >=), IN (…), BETWEEN … AND …, LIKE '…%', IS [NOT] NULL, IS [NOT] NAN,"
    " with AND, OR, NOT and parentheses"
)
_NAMES = 20
_DEEPEST = 100
_SHOWN = 20


class Condition(NamedTuple):
    """What a condition asks of rows, and the columns that it names."""

    rows: pl.Expr
    columns: tuple[str, ...]


class BadCondition(UsageError):
    """A condition cannot be understood, or does not fit the columns."""

    code = "bad_condition"


def read_condition(text: str, schema: pl.Schema, *, table: str) -> Condition:
    """Return what a condition asks of rows with these columns.

    Columns are named as they are, or in double quotes or backquotes. Texts and moments stand in single quotes; a moment without
    a zone is UTC where the column has zones. A row whose value is null or NaN fits neither a comparison nor its opposite, but
    IS NULL and IS NAN.

    Raises:
        BadCondition: it cannot be parsed, names no column, or compares a column with a value that is not of its type.

    >>> rows = pl.DataFrame({"id": [7, 8, 9], "city": ["a", None, "b"]})
    >>> rows.filter(read_condition("id = 7 OR NOT city LIKE 'a%'", rows.schema, table="trips").rows)["id"].to_list()
    [7, 9]
    """
    reader = _Reader(text, schema, table)
    found = reader.any_of()
    if reader.here is not None:
        reader.fail(f"'{reader.here.text}' is too much")
    return Condition(found, tuple(dict.fromkeys(reader.named)))


def fitting(rows: pl.LazyFrame, condition: Condition) -> pl.LazyFrame:
    """Return the rows that fit, each of them looked at: nothing is left out before by statistics or by the names of parts."""
    return rows.map_batches(
        lambda frame: frame.filter(condition.rows),
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
        streamable=True,
    )


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


class _Column(NamedTuple):
    name: str
    kind: pl.DataType

    @property
    def rows(self) -> pl.Expr:
        return pl.col(self.name)

    @property
    def values(self) -> pl.Expr:
        """What is compared: NaN is as unknown as null."""
        return self.rows.fill_nan(None) if self.kind.is_float() else self.rows

    def literal(self, value: Any) -> pl.Expr:
        return pl.lit(value, dtype=self.kind)


class _Reader:
    """Reads one condition from left to right."""

    def __init__(self, text: str, schema: pl.Schema, table: str) -> None:
        self.text = text
        self.schema = schema
        self.table = table
        self.named: list[str] = []
        self.tokens: list[_Token] = []
        self.place = 0
        self.depth = 0
        end = 0
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                self.fail("what begins here cannot be read", start=end)
            if found.lastgroup != "space":
                self.tokens.append(_Token(str(found.lastgroup), found[0], end))
            end = found.end()

    @property
    def here(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def fail(self, said: str, *, start: int | None = None, hint: str | None = None) -> NoReturn:
        at = start if start is not None else self.here.start if self.here is not None else len(self.text)
        raise BadCondition(
            f"the condition cannot be read at character {at + 1} ({self.text[at : at + _SHOWN] or 'its end'}): {said}",
            hint=hint or f"it is made of {_FORMS}",
            condition=self.text,
            position=at,
        )

    def takes(self, word: str) -> bool:
        """Step over a word or a symbol, if it is next."""
        token = self.here
        is_next = token is not None and token.kind in {"word", "symbol"} and token.text.upper() == word
        self.place += is_next
        return is_next

    def wants(self, word: str) -> None:
        if not self.takes(word):
            self.fail(f"{word} is missing")

    def any_of(self) -> pl.Expr:
        found = [self.all_of()]
        while self.takes("OR"):
            found.append(self.all_of())
        return reduce(or_, found)

    def all_of(self) -> pl.Expr:
        found = [self.one()]
        while self.takes("AND"):
            found.append(self.one())
        return reduce(and_, found)

    def one(self) -> pl.Expr:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"it is nested more than {_DEEPEST} deep")
        if self.takes("NOT"):
            found = ~self.one()
        elif self.takes("("):
            found = self.any_of()
            self.wants(")")
        else:
            found = self.comparison()
        self.depth -= 1
        return found

    def comparison(self) -> pl.Expr:
        column = self.column()
        if self.takes("IS"):
            return self.state(column)
        has_not = self.takes("NOT")
        if self.takes("IN"):
            found = self.listed(column)
        elif self.takes("LIKE"):
            found = self.like(column)
        elif self.takes("BETWEEN"):
            found = column.values >= column.literal(self.value(column))
            self.wants("AND")
            found &= column.values <= column.literal(self.value(column))
        elif has_not:
            self.fail("IN, LIKE or BETWEEN is missing after NOT")
        elif self.here is not None and self.here.text in _SIGNS:
            sign = _SIGNS[self.here.text]
            self.place += 1
            found = sign(column.values, self.other(column))
        elif column.kind == pl.Boolean:
            found = column.rows
        else:
            self.fail(f"a comparison is missing after '{column.name}'")
        return ~found if has_not else found

    def state(self, column: _Column) -> pl.Expr:
        has_not = self.takes("NOT")
        if self.takes("NAN"):
            if not column.kind.is_float():
                self.fail(f"'{column.name}' is {column.kind}, which has no NaN")
            found = column.rows.is_nan()
        else:
            self.wants("NULL")
            found = column.rows.is_null()
        return ~found if has_not else found

    def is_column(self) -> bool:
        token = self.here
        return token is not None and (
            token.kind == "name" or (token.kind == "word" and token.text.upper() not in _WORDS)
        )

    def column(self) -> _Column:
        token = self.here
        if token is None or not (self.is_column() or (token.kind == "word" and token.text in self.schema)):
            self.fail("a column is missing; values stand on the right, and texts in single quotes")
        sign = token.text[0]
        name = token.text[1:-1].replace(sign * 2, sign) if token.kind == "name" else token.text
        if name not in self.schema:
            names = list(self.schema)
            known = f"it has {', '.join(names[:_NAMES])}; names with other signs than letters stand in double quotes"
            hint = did_you_mean(name, names) or known
            raise BadCondition(f"{self.table} has no column '{name}'", hint=hint, condition=self.text, column=name)
        if self.schema[name].is_nested():
            self.fail(f"'{name}' is {self.schema[name]}, and only columns of single values can be asked for")
        self.place += 1
        self.named.append(name)
        return _Column(name, self.schema[name])

    def other(self, column: _Column) -> pl.Expr:
        """Read what a column is compared with: a value, or another column of the same type."""
        if not self.is_column():
            return column.literal(self.value(column))
        start = self.place
        other = self.column()
        if other.kind != column.kind or column.kind == pl.Binary:
            self.place = start
            self.fail(f"'{column.name}' is {column.kind}, and '{other.name}' {other.kind}: they cannot be compared")
        return other.values

    def value(self, column: _Column) -> Any:
        if (self.takes("DATE") or self.takes("TIMESTAMP")) and (self.here is None or self.here.kind != "text"):
            self.fail("a moment in single quotes is missing")
        token = self.here
        if token is None or token.kind not in {"text", "number", "word"}:
            self.fail("a value is missing")
        if token.text.upper() == "NULL":
            self.fail("nothing equals null", hint=f'write: "{column.name}" IS NULL, or IS NOT NULL')
        try:
            found = value_of(token.text, column.kind)
        except WrongValue as error:
            raise BadCondition(
                f"'{column.name}' of {self.table} is {column.kind}, and {token.text} is not: {error.message}",
                hint=error.hint,
                condition=self.text,
                column=column.name,
            ) from None
        self.place += 1
        return found

    def listed(self, column: _Column) -> pl.Expr:
        self.wants("(")
        found = [self.value(column)]
        while self.takes(","):
            found.append(self.value(column))
        self.wants(")")
        return column.values.is_in(pl.Series(found, dtype=column.kind).implode())

    def like(self, column: _Column) -> pl.Expr:
        if column.kind != pl.String:
            self.fail(f"'{column.name}' is {column.kind}, and LIKE is for text")
        token = self.here
        if token is None or token.kind != "text":
            self.fail("a text in single quotes is missing after LIKE")
        self.place += 1
        return column.rows.str.contains(text_pattern(token.text[1:-1].replace("''", "'")))
