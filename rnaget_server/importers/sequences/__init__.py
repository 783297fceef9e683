"""Import genomes: FASTA files, with the names that their sequences have elsewhere."""
