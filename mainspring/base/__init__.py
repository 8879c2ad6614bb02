"""What every floor stands on: errors, ids, time, hashing, randomness, settings and logs."""
