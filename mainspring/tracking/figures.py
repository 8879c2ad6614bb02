"""Figures as files that are the same whenever the figure is the same."""

from __future__ import annotations

import io
from typing import Any

from mainspring.base.errors import InvalidData


def png(figure: Any) -> bytes:
    """Return a matplotlib figure (or what holds one as ``.figure``, such as axes) as PNG without date and version.

    Raises:
        InvalidData: it is no figure.
    """
    drawn: Any = figure if hasattr(figure, "savefig") else getattr(figure, "figure", None)
    if not hasattr(drawn, "savefig"):
        raise InvalidData(
            f"a {type(figure).__name__} is no matplotlib figure",
            hint="give what `plt.figure()` or `plt.subplots()` returned; store other plots with log_artifact",
        )
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
