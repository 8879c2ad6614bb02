"""GTO's tags (https://github.com/iterative/gto): a registry of models that lives in a git repository.

``churn@v1.2.0`` registers a version, ``churn@v1.2.0!`` takes it back, ``churn#prod`` gives the version of its commit a stage,
``churn#prod!`` takes the stage away, ``churn@deprecated`` ends the model; ``#N`` behind it tells repeated ones apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from mainspring.versioning.semver import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable

Action = Literal["register", "deregister", "assign", "unassign", "deprecate", "create"]
_WORD = r"[a-z0-9](?:[a-z0-9/-]*[a-z0-9])?"
_TAG = re.compile(
    rf"(?P<name>(?:[a-z0-9_./-]+=)?{_WORD})"
    rf"(?:@(?P<version>v\d+\.\d+\.\d+)(?P<taken_back>!)?|#(?P<stage>{_WORD})(?P<taken_away>!)?|@(?P<word>deprecated|created))"
    r"(?:#(?P<counter>\d+))?"
)
_NAME = re.compile(_WORD)
STAGES = {
    "prod": "production",
    "production": "production",
    "staging": "staging",
    "stage": "staging",
    "dev": "development",
    "development": "development",
    "archived": "archived",
}
"""What the names of stages mean here; others mean nothing."""
WRITTEN = {"production": "prod", "staging": "staging"}
"""The names that are written; development is where a version begins, and no version of git is archived."""
VERSION_LINE = "Mainspring-Version"
"""The line of a tag's message that says which version it is about, where its commit has several."""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag as git has it; ``commit`` is what it leads to, ``at`` when it was made, in seconds since 1970."""

    tag: str
    commit: str
    at: int
    message: str = ""


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag says."""

    action: Action
    model: str
    version: str | None = None
    stage: str | None = None
    counter: int | None = None


class InGit(msgspec.Struct, frozen=True, kw_only=True):
    """What all tags of a model say together: version → its tag, stage (GTO's word) → version, and the highest counter."""

    versions: dict[str, Tag] = {}
    stages: dict[str, str] = {}
    counter: int = 0
    deprecated: bool = False
    taken_back: frozenset[str] = frozenset()
    """Versions that were registered, and are not any more."""


def can_name(model: str) -> bool:
    """Say whether GTO can read the name of a model.

    >>> can_name("churn"), can_name("Churn_v2")
    (True, False)
    """
    return _NAME.fullmatch(model) is not None


def read(tag: str) -> Meaning | None:
    """Return what a tag's name says; None if it is none of GTO's.

    >>> read("churn@v1.2.0").version, read("churn#prod!#3").action, read("v1.0")
    ('1.2.0', 'unassign', None)
    """
    found = _TAG.fullmatch(tag)
    if found is None:
        return None
    counter = int(found["counter"]) if found["counter"] else None
    model = found["name"].replace("=", ":")
    if found["version"]:
        version = str(parse_version(found["version"]))
        action: Action = "deregister" if found["taken_back"] else "register"
        return Meaning(action=action, model=model, version=version, counter=counter)
    if found["stage"]:
        action = "unassign" if found["taken_away"] else "assign"
        return Meaning(action=action, model=model, stage=found["stage"], counter=counter)
    return Meaning(action="deprecate" if found["word"] == "deprecated" else "create", model=model, counter=counter)


def state(tags: Iterable[Tag]) -> dict[str, InGit]:
    """Return what tags say of each model, the later ones having the last word."""
    held: dict[str, InGit] = {}
    for tag in sorted(tags, key=lambda one: (one.at, (read(one.tag) or _NOTHING).counter or 0)):
        said = read(tag.tag)
        if said is not None:
            held[said.model] = _after(held.get(said.model, InGit()), tag, said)
    return held


def _after(before: InGit, tag: Tag, said: Meaning) -> InGit:
    versions, stages, deprecated = dict(before.versions), dict(before.stages), before.deprecated
    taken_back = before.taken_back
    if said.action == "register" and said.version is not None:
        versions[said.version] = tag
        taken_back -= {said.version}
    elif said.action == "deregister" and said.version is not None:
        versions.pop(said.version, None)
        taken_back |= {said.version}
        stages = {stage: version for stage, version in stages.items() if version != said.version}
    elif said.action == "assign" and said.stage is not None:
        if (version := _meant(versions, tag)) is not None:
            stages[said.stage] = version
    elif said.action == "unassign" and said.stage is not None:
        stages.pop(said.stage, None)
    elif said.action == "deprecate":
        versions, stages, deprecated = {}, {}, True
    counter = max(before.counter, said.counter or 0)
    return InGit(versions=versions, stages=stages, counter=counter, deprecated=deprecated, taken_back=taken_back)


def _meant(versions: dict[str, Tag], tag: Tag) -> str | None:
    """Return the version that a stage is given to: the one that the message names, or else the commit's newest."""
    named = re.search(rf"^{VERSION_LINE}: .*@(\S+)$", tag.message, re.MULTILINE)
    if named is not None and named[1] in versions:
        return named[1]
    of_commit = [version for version, held in versions.items() if held.commit == tag.commit]
    return max(of_commit, key=parse_version, default=None)


_NOTHING = Meaning(action="create", model="")
