"""Write the first migration again from the tables of the code; only until the first release is out."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import mainspring.store.schema  # noqa: F401 - fills the metadata
from mainspring.store.migrate import SCRIPTS

for old in (SCRIPTS / "versions").glob("0001*.py"):
    old.unlink()
config = Config()
config.set_main_option("script_location", str(SCRIPTS))
with create_engine("sqlite://").connect() as connection:
    config.attributes["connection"] = connection
    command.revision(config, "The first schema", autogenerate=True, rev_id="0001")
