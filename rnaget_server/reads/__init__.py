"""Files of reads and variants (BAM, CRAM, VCF, BCF): their headers, and the bytes that hold the records of regions."""
