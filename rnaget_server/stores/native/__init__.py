"""The server's own file formats, dense and sparse."""
