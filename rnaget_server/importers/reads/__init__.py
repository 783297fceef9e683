"""Files of alignments (BAM, CRAM) and variants (VCF, BCF)."""
