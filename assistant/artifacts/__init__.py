"""What steps hand on to each other as files: instruction pairs, adapters with their cards, ratings, scores."""
