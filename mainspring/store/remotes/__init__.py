"""Remotes: places beyond this machine that hold objects, in the layout of DVC 3's remotes."""
