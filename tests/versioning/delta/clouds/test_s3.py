"""What S3 alone has: readers, and profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import StorageError
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from tests import s3
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("cloud", ["s3"], indirect=True)]


def test_who_may_only_read(trips: Table, remote: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.READER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.READER_SECRET)
    reader = Table("trips", remote.workspace)
    assert reader.frame().height == 3
    with pytest.raises(StorageError, match="refuses our credentials"):
        reader.append(rows(4))


def test_credentials_of_a_profile(remote: Table, trips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3.VARIABLES:
        monkeypatch.delenv(name)
    (tmp_path / "aws-credentials").write_text(
        f"[lake]\naws_access_key_id = {s3.KEY}\naws_secret_access_key = {s3.SECRET}\n"
    )
    (tmp_path / "aws-config").write_text("[profile lake]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "lake")
    assert data.open_dataset(remote.workspace, "trips").frame().height == 3
