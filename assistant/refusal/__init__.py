"""Whether the evidence can answer, judged before a model is asked, and how a refusal is said."""
