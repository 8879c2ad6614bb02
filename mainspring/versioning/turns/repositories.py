"""Keeping DVC's commands waiting in the repositories that a workspace shares with it, while something is written there."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mainspring.store.workspace import Workspace

_CONFIG = Path(".dvc", "config")


@contextmanager
def alone(workspace: Workspace, *, reads: Sequence[Path] = (), writes: Sequence[Path] = ()) -> Iterator[None]:
    """Keep DVC out of the repositories that a workspace shares with it; where there are none, nothing happens.

    ``reads`` and ``writes`` are paths on which no stage may be at work, which keeps the repository free. What is asked for
    within such a block is held already; other threads wait.

    Raises:
        Conflict: another process is at work there, and was not done within some seconds; or a stage is at work on a path.
        StorageError: the lock cannot be made.
    """
    with turns(workspace, reads=reads, writes=writes) as take:
        take()
        yield


@contextmanager
def turns(
    workspace: Workspace, *, reads: Sequence[Path] = (), writes: Sequence[Path] = ()
) -> Iterator[Callable[[], bool]]:
    """Give what does as ``alone`` does from when it is called on, for work that may turn out to change nothing.

    It says whether a lock was taken, so that what was looked at before is to be looked at again.
    """
    with ExitStack() as taken:
        is_taken = False

        def take() -> bool:
            nonlocal is_taken
            if is_taken:
                return False
            is_taken = True
            roots = shared(workspace)
            for root in roots:
                from mainspring.versioning.turns.holding import folder, held  # most work turns out to change nothing
                from mainspring.versioning.turns.stages import refuse_busy

                taken.enter_context(held(root))
                refuse_busy(folder(root), reads=reads, writes=writes)
            return bool(roots)

        yield take


@contextmanager
def working(workspace: Workspace, *, reads: Sequence[Path], writes: Sequence[Path]) -> Iterator[None]:
    """Tell DVC that a stage of ours reads and writes paths as long as the block lasts, in which the repository itself is free.

    Raises:
        Conflict, StorageError: as ``alone``.
    """
    with ExitStack() as told:
        with alone(workspace, reads=reads, writes=writes):
            for root in shared(workspace):
                from mainspring.versioning.turns.holding import folder, lock_file
                from mainspring.versioning.turns.stages import GUARD, at_work

                guard = partial(lock_file, root, GUARD)
                told.enter_context(at_work(folder(root), guard, reads=reads, writes=writes))
        yield


def shared(workspace: Workspace) -> list[Path]:
    """Return the folders of DVC's repositories that a workspace works in: around it, and that in which its objects lie."""
    found = set()
    for folder in (workspace.root, *workspace.root.parents):
        if (folder / _CONFIG).is_file():
            found.add(folder)
            break
        if (folder / ".git").exists():
            break
    is_settled = workspace.settings_file.is_file() or workspace.is_dvc_repository
    if is_settled and (named := workspace.settings.state.objects):
        places = (workspace.root / named).resolve().parents
        found.update(place.parent for place in places if place.name == ".dvc" and (place / "config").is_file())
    return sorted(found)
