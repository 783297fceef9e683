"""RNAget 1.2.0. The function names are those of the operations in ``openapi/rnaget.yaml``."""

BASE_PATH = "/rnaget"
