"""Gates: one module per kind, each with one bounded round of questions and a pure judgement of what came back."""
