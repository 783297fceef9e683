"""The command lines: `server` for providers, `client` for data users."""
