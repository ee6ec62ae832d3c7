"""Words, sentences, numbers, dates, names, negation and what prints, in the languages that have a folder here."""
