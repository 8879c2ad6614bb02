"""The tracking server beside MLflow's own of the same version."""
