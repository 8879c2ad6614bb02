"""What all tables share: names of constraints, and the column types for moments, identifiers and documents."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(32)
"""32 hexadecimal digits that sort by creation time."""
Moment = BigInteger
"""Milliseconds since 1970, UTC."""
Address = String(36)
"""md5 of an object; of a folder it ends in ``.dir``."""
Document = JSON
"""A JSON value whose structure the owning package knows."""
