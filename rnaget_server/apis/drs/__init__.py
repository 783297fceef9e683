"""DRS 1.5: data files as objects with checksums and addresses, and studies as bundles of them."""

BASE_PATH = "/ga4gh/drs/v1"
EXAMPLE_BODY = '{"bulk_object_ids": ["4b15de91f4164870ef5e8bc428bea84d"]}'
