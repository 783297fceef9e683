"""Signal tracks: bigWig and loom files, single bases and bins."""
