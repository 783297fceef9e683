"""Genes by GraphQL, in the shape of Ensembl's service."""

BASE_PATH = "/graphql"
EXAMPLE_BODY = '{"query": "{ version { api { major } } }"}'
