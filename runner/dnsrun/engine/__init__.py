"""The engine: decides from the journal, acts once, journals; `advance` is all that anybody calls in a loop."""
