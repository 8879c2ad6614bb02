import sys, pathlib
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
import mainspring.store.schema
from mainspring.store.migrate import SCRIPTS
for old in (SCRIPTS/"versions").glob("0001*.py"): old.unlink()
config=Config(); config.set_main_option("script_location", str(SCRIPTS))
with create_engine("sqlite://").connect() as c:
    config.attributes["connection"]=c
    command.revision(config, "The first schema", autogenerate=True, rev_id="0001")
