"""From a slice to an HTTP reply."""
