"""How long the clusters of a time column may be, for settings that cut rows into clusters."""

from __future__ import annotations

from typing import Literal

ClusterLength = Literal["hour", "day", "week", "month"]
