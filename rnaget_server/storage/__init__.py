"""Bytes from any place, and the files that the server itself writes."""
