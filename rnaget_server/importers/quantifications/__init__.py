"""The importer of quantification results: one sample in each file or directory, all of them one matrix."""
