"""What other trackers hold, taken over: from a live MLflow server, and from the files of W&B, Comet and Neptune."""
