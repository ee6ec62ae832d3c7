"""Cases become metrics, statistics and a report."""
