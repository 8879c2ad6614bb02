"""Documents: words, placeholders and sections."""

from __future__ import annotations

from pathlib import Path

from mainspring.audit.documents import count_words, has_placeholder, parse_document, read_document, simplify

RUNBOOK = """# Runbook

Intro of three words.

## Roll back

```
# not a heading
mainspring rollback churn
```

### Details
Deeper words.

## input-drift

Ask the data team. TODO: whom?
"""


def test_sections_hold_what_is_below_them() -> None:
    document = parse_document(RUNBOOK)
    assert list(document.sections) == ["runbook", "roll back", "details", "input drift"]
    assert "mainspring rollback churn" in document.sections["roll back"]
    assert "Deeper words." in document.sections["roll back"]
    assert "Ask" not in document.sections["roll back"]
    assert document.placeholders == [17]


def test_only_prose_counts() -> None:
    assert (
        count_words("# Four words of heading\n```\ncode code\n```\n<!-- a note -->\n    code\nthree real words\n") == 3
    )


def test_placeholders() -> None:
    assert has_placeholder("- Intended use: <describe>")
    assert has_placeholder("<describe who is asked>")
    assert has_placeholder("TBD")
    assert not has_placeholder("todos are described elsewhere")


def test_missing_files(tmp_path: Path) -> None:
    assert read_document(tmp_path / "README.md") is None
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00")
    assert read_document(tmp_path / "README.md") is None


def test_names_and_headings_meet() -> None:
    assert simplify("Input_Drift") == simplify("`input-drift`") == "input drift"
