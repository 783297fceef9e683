"""One module for each kind of file that matrices are served from."""
