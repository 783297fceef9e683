"""Blocks of a slice → the bytes of a format."""
