"""Bytes wherever they are, and the files that the server itself writes."""
