"""Pure functions from texts to numbers; a metric gives a value, or None where there is nothing to score."""
