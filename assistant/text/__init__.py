"""Words, sentences, numbers, dates, names and negation, in the languages that have a folder here."""
