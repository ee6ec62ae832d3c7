"""What experts say about answers, and what it teaches."""
