"""Delivery: starting a project, and the CI that checks every change of it."""
