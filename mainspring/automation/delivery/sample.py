"""A sample of the project's data that git can hold, so that CI runs the real pipeline without the real data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import yaml

from mainspring.automation.delivery.environment import ENVIRONMENT
from mainspring.base.errors import InvalidData
from mainspring.base.files import staged, write_atomic
from mainspring.monitoring.data_gate import judge_path
from mainspring.monitoring.suite import load_suite
from mainspring.versioning.data import open_dataset
from mainspring.versioning.delta import sources
from mainspring.versioning.tables import read_table, table_files

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

ROWS = 2000
FOLDER = "samples"


def write_sample(workspace: Workspace, *, rows: int = ROWS) -> list[Path]:
    """Write ``rows`` evenly spread rows of each dataset below ``samples/``, and the overlay that lets CI use them.

    Names, formats and the split into files stay as they are. The overlay keeps records and objects apart from the real
    ones and sends no alerts; a suite that so small a sample cannot meet (a row count, say) is switched off there. An overlay
    that exists is kept as it is. Data is only sampled where it is on disk.
    """
    overlay = workspace.root / "environments" / f"{ENVIRONMENT}.yaml"
    if overlay.exists():
        return []
    written: list[Path] = []
    datasets: dict[str, dict[str, str | None]] = {}
    for name, settings in workspace.settings.datasets.items():
        source = workspace.path(settings.path)
        if sources.find(workspace, name) is not None:
            target = workspace.root / FOLDER / f"{name}.parquet"
            written.append(_sample_table(open_dataset(workspace, name, add=False).scan(), target, rows))
            datasets[name] = {"path": target.relative_to(workspace.root).as_posix(), "table": None}
            continue
        if not source.exists():
            continue
        target = workspace.root / FOLDER / (name if source.is_dir() else f"{name}{source.suffix}")
        written += _sample(source, target, rows)
        datasets[name] = {"path": target.relative_to(workspace.root).as_posix()}
        if settings.suite and not judge_path(target, load_suite(workspace.path(settings.suite))).success:
            datasets[name]["suite"] = None
    tree = {
        "datasets": datasets,
        "state": {"database": "sqlite:///.mainspring/ci.db", "objects": ".mainspring/ci-objects"},
        "channels": [],
    }
    head = "# Laid over mainspring.yaml in CI: a sample of the data, records of its own, no alerts.\n"
    body = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    write_atomic(overlay, (head + body).encode())
    return [*written, overlay]


def _sample_table(lazy: pl.LazyFrame, target: Path, rows: int) -> Path:
    size = lazy.select(pl.len()).collect().item()
    target.parent.mkdir(parents=True, exist_ok=True)
    with staged(target) as temporary:
        lazy.gather_every(max(1, size // rows)).head(rows).collect().write_parquet(temporary)
    return target


def _sample(source: Path, target: Path, rows: int) -> list[Path]:
    files = table_files(source)
    sizes = [read_table(file).height for file, _ in files]
    if target.is_dir():
        shutil.rmtree(target)
    written = []
    for (file, kind), size in zip(files, sizes, strict=True):
        place = target / file.relative_to(source) if source.is_dir() else target
        wanted = max(1, min(size, round(rows * size / sum(sizes))))
        part = read_table(file)[np.linspace(0, size - 1, wanted).round().astype(np.int64)]
        place.parent.mkdir(parents=True, exist_ok=True)
        with staged(place) as temporary:
            _write(part, temporary, kind)
        written.append(place)
    return written


def _write(frame: pl.DataFrame, path: Path, kind: str) -> None:
    if kind == "parquet":
        frame.write_parquet(path)
    elif kind == "csv":
        frame.write_csv(path)
    elif kind == "ndjson":
        frame.write_ndjson(path)
    else:
        raise InvalidData(f"tables of format '{kind}' cannot be sampled")
