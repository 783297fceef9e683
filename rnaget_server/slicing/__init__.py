"""From a query to what a writer writes: which matrices or sets of tracks match, and the slice they make."""
