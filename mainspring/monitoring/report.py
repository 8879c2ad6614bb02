"""The drift report for people: one HTML file with everything in it, and no scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mainspring.base.clock import iso, now
from mainspring.monitoring.drift import ColumnFinding, DriftReport, Verdict, describe
from mainspring.monitoring.sketch import shown, sketch

if TYPE_CHECKING:
    import polars as pl

CHARTS = 100
"""Columns that get a histogram, drifted ones first; the page stays below 200 KB."""
ROWS = 250
_LONGEST = 60
_ORDER = {"drift": 0, "insufficient_data": 1, "no_drift": 2}
_WORDS: dict[Verdict, str] = {"drift": "drift", "insufficient_data": "cannot tell", "no_drift": "no drift"}
_STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--page:#fff;--ref:#9aa7b5;--cur:#c2410c}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 60px}h1{font-size:24px;margin:0 0 4px}p{margin:6px 0}
.soft{color:var(--soft);font-size:13px}.tiles{display:flex;gap:12px;flex-wrap:wrap;margin:18px 0}
.tile{border:1px solid var(--line);border-radius:8px;padding:10px 16px;min-width:120px}.tile b{display:block;font-size:22px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin-top:10px}
th{text-align:left;font-size:12px;color:var(--soft);font-weight:600;padding:6px 10px;border-bottom:2px solid var(--line)}
td{padding:8px 10px;border-bottom:1px solid var(--line);vertical-align:middle}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.v{display:inline-block;border-radius:10px;padding:1px 9px;font-size:12px;font-weight:600;white-space:nowrap}
.drift{background:#fde4d8;color:#9a3412}.insufficient_data{background:#eef0f3;color:#475467}
.no_drift{background:#e2f3e8;color:#1b6b3a}
svg{display:block}.key i{display:inline-block;width:12px;height:10px;margin:0 4px 0 12px;border-radius:2px}
@media print{.tile{break-inside:avoid}}
"""


def drift_page(report: DriftReport, reference: pl.DataFrame, current: pl.DataFrame, *, title: str = "Drift") -> str:
    """Return the report as an HTML page below 200 KB; text of the data is escaped, nothing is loaded from anywhere."""
    findings = sorted(report.columns, key=lambda finding: _ORDER[finding.verdict])
    rows = [
        _row(finding, sketch(reference, current, finding.column) if place < CHARTS else "")
        for place, finding in enumerate(findings[:ROWS])
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{_text(title)}</h1><p>{shown(report.summary(), 500)}</p>"
        f'<p class="soft">{iso(now())}</p>{_tiles(report)}{_key()}'
        '<div class="scroll"><table><thead><tr><th>column</th><th>verdict</th><th>why</th><th>p (adjusted)</th>'
        f"<th>rows</th><th>distribution</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"{_notes(report)}</main></body></html>\n"
    )


def _tiles(report: DriftReport) -> str:
    tiles = [(len(report.named(verdict)), words) for verdict, words in _WORDS.items()]
    tiles.append((len(report.skipped), "not compared"))
    shown = "".join(f'<div class="tile"><b>{count}</b>{escape(words)}</div>' for count, words in tiles)
    return f'<div class="tiles">{shown}</div>'


def _key() -> str:
    return (
        '<p class="soft key"><i style="background:var(--ref)"></i>reference'
        '<i style="background:var(--cur)"></i>current</p>'
    )


def _row(finding: ColumnFinding, chart: str) -> str:
    p = finding.p_adjusted
    shown_p = "—" if p is None else "&lt; 1e-12" if p < 1e-12 else f"{p:.2g}"
    lacking = finding.verdict == "insufficient_data" and finding.n_needed is not None
    needed = f'<br/><span class="soft">{finding.n_needed} needed</span>' if lacking else ""
    return (
        f"<tr><td>{_text(finding.column)}</td>"
        f'<td><span class="v {finding.verdict}">{_WORDS[finding.verdict]}</span></td>'
        f'<td class="n">{_text(describe(finding))}</td><td class="n">{shown_p}</td>'
        f'<td class="n">{finding.n}{needed}<br/><span class="soft">against {finding.n_reference}</span></td>'
        f"<td>{chart}</td></tr>"
    )


def _text(words: str) -> str:
    return shown(words, _LONGEST)


def _notes(report: DriftReport) -> str:
    notes = [
        "Drift: an effect at or above its floor, significant after Benjamini–Hochberg over all tests, on rows enough for "
        "that floor. Cannot tell: too few rows, or rows too dependent on their neighbours. It does not mean no drift."
    ]
    if len(report.columns) > CHARTS:
        hidden = len(report.columns) - min(len(report.columns), ROWS)
        notes.append(
            f"Histograms are drawn for the first {CHARTS} columns; {hidden} columns are left out of the table."
        )
    if report.only_in_current:
        notes.append("Only in the current table: " + ", ".join(_text(name) for name in report.only_in_current[:50]))
    notes += [f"{_text(skipped.column)}: {escape(skipped.reason)}" for skipped in report.skipped[:50]]
    return "".join(f'<p class="soft">{note}</p>' for note in notes)
