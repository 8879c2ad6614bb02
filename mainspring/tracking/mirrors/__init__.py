"""Copies of ended runs for W&B and Comet, written by their own clients in offline mode, beside the run and never in its way."""
