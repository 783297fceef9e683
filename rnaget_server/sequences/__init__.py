"""Reference sequences: their digests, the store that holds them, and the collections that they make up."""
