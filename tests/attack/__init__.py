"""What hostile files and clients try against a real server. ``make attack`` runs it all and prints a table."""
