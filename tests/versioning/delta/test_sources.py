"""What the environment says of a store, and when it is meant."""

from __future__ import annotations

import os

import pytest

from mainspring.versioning.delta.sources import storage_options

HOST = {"account_name": "a", "endpoint": "http://a.example/a", "allow_http": "true"}
OURS = HOST | {"account_key": "k=="}
"""What the environment says."""


@pytest.mark.parametrize(
    ("uri", "given", "reached"),
    [
        ("az://c/t", {}, OURS),
        (
            "az://c/t",
            {"azure_endpoint": "https://e"},
            {"account_name": "a", "account_key": "k==", "azure_endpoint": "https://e"},
        ),
        ("az://c/t", {"sas_token": "own"}, HOST | {"sas_token": "own"}),
        ("az://c/t", {"account_name": "a"}, OURS),
        ("az://c/t", {"account_name": "b"}, {"account_name": "b"}),
        ("az://c/t", {"use_emulator": "true"}, {"use_emulator": "true"}),
        (
            "abfss://c@a.dfs.core.windows.net/t",
            {},
            {"account_key": "k==", "endpoint": "http://a.example/a", "allow_http": "true"},
        ),
        ("abfss://c@b.dfs.core.windows.net/t", {}, {}),
        ("gs://b/t", {"base_url": "http://e"}, {"base_url": "http://e", "allow_http": "true"}),
        ("gs://b/t", {}, {}),
    ],
)
def test_what_the_environment_says_is_of_one_account(
    uri: str, given: dict[str, str], reached: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    said = "AccountName=a;AccountKey=k==;BlobEndpoint=http://a.example/a"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
    assert storage_options(uri, given) == reached
