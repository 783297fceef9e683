"""The data files of studies as they are, and reports that list them: a small standard of this server's own."""
