"""A workspace: the project folder with its settings, its records and its objects."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import NotFound, StorageError
from mainspring.base.files import write_atomic
from mainspring.base.settings.load import FILE_NAME, load_settings
from mainspring.store.objects import Objects

if TYPE_CHECKING:
    from mainspring.base.settings.schema import Settings
    from mainspring.store.database import Database


class Workspace:
    """The project folder ``root``; records and objects are opened when first used."""

    def __init__(self, root: Path, *, environment: str | None = None) -> None:
        self.root = root.resolve()
        self.environment = environment or os.environ.get("MAINSPRING_ENVIRONMENT")

    @classmethod
    def open(cls, folder: Path | None = None, *, environment: str | None = None) -> Workspace:
        """Open the workspace in ``folder``, or else the nearest one upwards from here. A DVC repository is one, too.

        Raises:
            NotFound: there is no ``mainspring.yaml``, and no ``.dvc/config``.
        """
        named = folder or (Path(value) if (value := os.environ.get("MAINSPRING_WORKSPACE")) else None)
        places = [named] if named is not None else [Path.cwd(), *Path.cwd().parents]
        for place in places:
            if (place / FILE_NAME).is_file() or (place / ".dvc" / "config").is_file():
                opened = cls(place, environment=environment)
                if opened.is_dvc_repository:
                    opened._hide_state()
                return opened
        raise NotFound(
            f"no {FILE_NAME} in {named}, nor .dvc/config"
            if named
            else f"no {FILE_NAME} here or in any folder above, nor .dvc/config",
            hint="make a project with `mainspring init DIR`, or name one with `--workspace DIR`",
        )

    @property
    def state(self) -> Path:
        """The folder of everything that git does not hold."""
        return self.root / ".mainspring"

    @property
    def settings_file(self) -> Path:
        """Where the settings are written."""
        return self.root / FILE_NAME

    @cached_property
    def is_dvc_repository(self) -> bool:
        """Whether it has no settings but those of DVC; datasets are named by their paths then."""
        return not self.settings_file.exists() and (self.root / ".dvc" / "config").is_file()

    @cached_property
    def settings(self) -> Settings:
        """The settings with the environment's overlay, validated; of a DVC repository without any, what DVC's say."""
        if self.is_dvc_repository:
            from mainspring.base.settings.dvc import dvc_settings  # where there are settings, they are not needed

            return dvc_settings(self.root)
        return load_settings(self.settings_file, environment=self.environment)

    @cached_property
    def database(self) -> Database:
        """The records."""
        from mainspring.store.database import (
            Database,  # some commands look at pointers and objects alone, and start quicker
        )

        self._hide_state()
        return Database(self.settings.state.database or f"sqlite:///{self.state / 'mainspring.db'}")

    def _hide_state(self) -> None:
        """Tell git not to hold the state: a project that ``init`` did not make may not know."""
        ignored = self.state / ".gitignore"
        if not ignored.exists():
            with suppress(StorageError):  # who only looks may do so on a read-only disk
                write_atomic(ignored, b"*\n")

    @cached_property
    def objects(self) -> Objects:
        """The stored bytes."""
        folder = self.settings.state.objects
        return Objects(self.root / folder if folder else self.state / "objects")

    @property
    def actor(self) -> str:
        """Who acts, for the records: ``MAINSPRING_ACTOR``, or the login name."""
        import getpass  # who only looks has no name

        try:
            return os.environ.get("MAINSPRING_ACTOR") or getpass.getuser()
        except (KeyError, OSError):
            return f"uid-{os.getuid()}"

    def path(self, relative: str) -> Path:
        """Return a path of the project, given relative to its folder."""
        return self.root / relative

    def close(self) -> None:
        """Close the database if it was opened."""
        if "database" in self.__dict__:
            self.database.close()
            del self.__dict__["database"]
