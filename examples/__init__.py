"""Projects that show Mainspring on real data."""
