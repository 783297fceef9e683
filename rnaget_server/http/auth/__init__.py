"""Signing in: who a request comes from, by a token, a passport or the session of a browser."""
