"""The attempts of hostile files and clients against a real server. ``make attack`` runs it all and prints a table."""
