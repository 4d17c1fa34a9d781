"""DNS on the wire: bulk questions, transfers, the walk from the roots, views, capture. It observes; it never judges."""
