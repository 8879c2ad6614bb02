"""Version numbers: MAJOR.MINOR.PATCH."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast, get_args

from mainspring.base.errors import InvalidData, UsageError
from mainspring.base.names import names_elsewhere

Bump = Literal["major", "minor", "patch"]
_FORM = re.compile(r"v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_IN_REFERENCES = frozenset("/:@\\%?#")
_LONGEST = 250
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")


class Version(NamedTuple):
    """A version; they compare as semantic versions do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def next(self, bump: Bump) -> Version:
        """Return the version after this one.

        >>> str(Version(1, 4, 2).next("minor"))
        '1.5.0'
        """
        if bump == "major":
            return Version(self.major + 1, 0, 0)
        return Version(self.major, self.minor + 1, 0) if bump == "minor" else Version(*self[:2], self.patch + 1)


def parse_version(text: str) -> Version:
    """Return the version that text names.

    >>> parse_version("1.10.0") > parse_version("1.9.3")
    True

    Raises:
        UsageError: it is none.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is no version", hint="write it as MAJOR.MINOR.PATCH, e.g. 1.2.0", version=text)
    return Version(*(int(part) for part in match.groups()))


def parse_bump(text: str | None) -> Bump | None:
    """Return which number grows, as somebody wrote it; None where nothing was said.

    Raises:
        UsageError: it is neither major, minor nor patch.
    """
    if text is None or text in get_args(Bump):
        return cast("Bump | None", text)
    raise UsageError(f"'{text}' is no part of a version", hint=f"one of {', '.join(get_args(Bump))}", bump=text)


def check_name(name: str) -> str:
    """Return a model's name if it is one: letters, digits and ``. _ -`` inside.

    Raises:
        UsageError: it is none.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"'{name[:80]}' is no name for a model",
            hint="use letters, digits, dots, dashes and underscores, at most 200, beginning and ending with a letter or digit",
            name=name,
        )
    return name


def check_catalogue_name(name: str) -> str:
    """Return a name that a model may have in the registry: MLflow's clients use spaces and other scripts too.

    >>> check_catalogue_name("Fraud, Europe")
    'Fraud, Europe'

    Raises:
        InvalidData: it is empty or too long, or holds what paths and references are made of.
    """
    problem = None
    if not name.strip() or name != name.strip():
        problem = "it is empty, or begins or ends with a space"
    elif len(name) > _LONGEST:
        problem = f"it has {len(name)} characters, {_LONGEST} is the most"
    elif not name.isprintable():
        problem = "it holds characters that cannot be printed"
    elif found := sorted(set(name) & _IN_REFERENCES):
        problem = f"names cannot hold {' '.join(found)}"
    elif names_elsewhere(name):
        problem = "that leads to a folder"
    if problem:
        raise InvalidData(f"Invalid model name '{name[:80]}': {problem}", hint="choose another one", name=name)
    return name
