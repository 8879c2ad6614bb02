"""Files of sections with keys and values (INI), as other tools keep their configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def read_sections(file: Path) -> dict[str, dict[str, str]]:
    """Return the sections of a file with their values as text; nothing where there is none that we may read.

    Raises:
        SettingsError: it is none of that kind.
    """
    try:
        text = file.read_bytes()
    except OSError:
        return {}
    import configparser  # where there is no such file, nothing needs it

    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text.decode("utf-8"), source=str(file))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {file}: {type(error).__name__}", hint="correct the file") from None
    return {title: dict(parser[title]) for title in parser.sections()}
