"""The journal: an append-only chain of records on disk, the lock beside it, and the state it folds into."""
