"""The means by which operators watch a running server."""
