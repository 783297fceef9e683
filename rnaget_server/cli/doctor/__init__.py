"""``rnaget-server doctor``: all that keeps a server from running well, and what to do about it."""
