"""htsget 1.3: alignments and variants, whole or by region."""

import re

BASE_PATHS = ("/reads", "/variants")
BLOCKS = "_block"
"""The part of a path that stands before the id where bytes are sent; no id begins so."""

BLOCK_ROUTE = re.compile(rf".*/(?:reads|variants)/{BLOCKS}/.+")
"""The paths of blocks, which signed URLs alone reach."""

EXAMPLE_BODY = '{"regions": [{"referenceName": "chr1", "start": 0, "end": 1000}]}'
