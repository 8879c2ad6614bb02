"""What was not the same when a run was made again, ranked by how likely it is to have made the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from mainspring.reproducibility.environment import changes, machine_changes, thread_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mainspring.reproducibility.ladder import Rung
    from mainspring.versioning.snapshot import Snapshot

Part = Literal["code", "data", "environment", "randomness", "threads", "machine"]
RANK: tuple[Part, ...] = ("code", "data", "environment", "randomness", "threads", "machine")
"""Parts in the order of suspicion."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not as it had been; None where one side has nothing."""

    part: Part
    name: str
    original: str | None
    again: str | None

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name}: {self.original or 'nothing'} → {self.again or 'nothing'}"


def differences(
    original: Snapshot, again: Snapshot | None, *, missing: Iterable[str], data: tuple[dict[str, str], dict[str, str]]
) -> list[Difference]:
    """Return everything that differs, the likeliest first.

    ``missing`` are files of the code that could not be restored; ``data`` is dataset → address before and again. Code and
    data that were restored are equal by their checked hashes.
    """
    found = [Difference(part="code", name=name, original="held by its hash only", again=None) for name in missing]
    before, after = data
    found += [
        Difference(part="data", name=name, original=before.get(name), again=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if again is None:
        return found
    for part, changed in (
        ("environment", changes(original.environment, again.environment)),
        ("threads", thread_changes(original.environment, again.environment)),
        ("machine", machine_changes(original.environment, again.environment)),
    ):
        found += [
            Difference(part=part, name=item.name, original=item.original, again=item.present)  # type: ignore[arg-type]  # a literal of the tuple above
            for item in changed
        ]
    seeds = (original.randomness.get("seed"), again.randomness.get("seed"))
    if seeds[0] != seeds[1]:
        found.append(Difference(part="randomness", name="seed", original=_text(seeds[0]), again=_text(seeds[1])))
    return sorted(found, key=lambda item: RANK.index(item.part))


def suspect(
    rungs: Sequence[Rung],
    level: int,
    found: Sequence[Difference],
    *,
    original: Snapshot,
    agrees: bool | None,
    rebuild_error: str | None,
) -> str | None:
    """Return why the top of the ladder was not reached, in one sentence; None when it was.

    ``agrees``: whether a second run gave what the first one gave; None when none was made.
    """
    if level == 4:
        return None
    if agrees is False:
        return _unstable(original)
    if rebuild_error is not None:
        return f"environment could not be rebuilt: {rebuild_error}"
    if found:
        part = found[0].part
        shown = [str(item) for item in found if item.part == part]
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
        return f"{part} is not the same: {'; '.join(shown[:3])}{more}"
    if level == 3:
        return f"only stored bytes differ: {_files(rungs)}; the predictions are identical"
    if agrees:
        return (
            "something that no snapshot holds: two new runs agree with one another and not with the original "
            "(a clock, the network, a file outside of the project, a cache)"
        )
    return "nothing that was recorded differs"


def _unstable(original: Snapshot) -> str:
    said = "randomness: two new runs of the same code on the same data differ from one another"
    if original.randomness.get("seed") is None:
        return f"{said}; the run set no seed"
    if original.randomness.get("python_hash_seed") in (None, "random"):
        return f"{said}; a generator is not seeded, or the order of a set is used (PYTHONHASHSEED was not fixed)"
    return f"{said}; a generator is not seeded, or threads race"


def _files(rungs: Sequence[Rung]) -> str:
    evidence = next((item.evidence for item in rungs if item.level == 4), {})
    names = [name for kind in ("different", "missing", "extra") for name in evidence.get(kind, ())]
    return ", ".join(names[:5]) or str(evidence.get("reason", "no artifact"))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
