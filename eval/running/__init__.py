"""One run: systems are asked all cases in batches, and what they say becomes rows, results and costs."""
