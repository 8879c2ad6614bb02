"""The control server: pages of what is released, watched and retrained."""
