"""Records of an archive: the fields of each result, the language of queries, and the index that answers them."""
