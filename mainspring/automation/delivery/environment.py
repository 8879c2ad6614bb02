"""The overlay of the settings that CI runs with."""

from __future__ import annotations

ENVIRONMENT = "ci"
