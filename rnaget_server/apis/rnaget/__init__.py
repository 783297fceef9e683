"""RNAget 1.2.0. The function names are those of the operations in ``openapi/rnaget.yaml``."""

BASE_PATH = "/rnaget"
GROUPS = ("projects", "studies", "expressions", "continuous")
"""The groups of routes, which can be switched off."""
EXAMPLE_BODY = '{"featureIDList": ["ENSG00000177757"], "format": "tsv"}'
