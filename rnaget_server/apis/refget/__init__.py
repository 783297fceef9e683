"""refget 2.0 and 1.x, and the registry for readers of CRAM: sequences by their digests."""

BASE_PATH = "/sequence"
CRAM_PATH = "/cram"
ENA_PATH = "/ena/cram"
INFO_PATH = "/service-info"
