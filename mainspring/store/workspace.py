"""A workspace: the project folder with its settings, its records and its objects."""

from __future__ import annotations

import getpass
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import NotFound
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
        """Open the workspace in ``folder``, or else the nearest one upwards from here.

        Raises:
            NotFound: there is no ``mainspring.yaml``.
        """
        named = folder or (Path(value) if (value := os.environ.get("MAINSPRING_WORKSPACE")) else None)
        places = [named] if named is not None else [Path.cwd(), *Path.cwd().parents]
        for place in places:
            if (place / FILE_NAME).is_file():
                return cls(place, environment=environment)
        raise NotFound(
            f"no {FILE_NAME} in {named}" if named else f"no {FILE_NAME} here or in any folder above",
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
    def settings(self) -> Settings:
        """The settings with the environment's overlay, validated."""
        return load_settings(self.settings_file, environment=self.environment)

    @cached_property
    def database(self) -> Database:
        """The records."""
        from mainspring.store.database import Database  # some commands look at pointers and objects alone, and start quicker

        ignored = self.state / ".gitignore"
        if not ignored.exists():  # a project that `init` did not make may not know that git must not hold this
            write_atomic(ignored, b"*\n")
        return Database(self.settings.state.database or f"sqlite:///{self.state / 'mainspring.db'}")

    @cached_property
    def objects(self) -> Objects:
        """The stored bytes."""
        folder = self.settings.state.objects
        return Objects(self.root / folder if folder else self.state / "objects")

    @property
    def actor(self) -> str:
        """Who acts, for the records: ``MAINSPRING_ACTOR``, or the login name."""
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
