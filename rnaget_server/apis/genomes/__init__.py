"""The genomes of this server, and the genes of each: a small standard of its own."""

BASE_PATH = "/genomes"
