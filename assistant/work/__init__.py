"""What long work needs: words and bars for who waits, processes with limits, another try."""
