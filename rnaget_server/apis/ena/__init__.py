"""Archive access in ENA's shape: searches and reports, records as XML, and species by name."""

PORTAL_PATHS = ("/ena/portal/api/v2.0", "/ena/portal/api")
BROWSER_PATH = "/ena/browser/api"
TAXONOMY_PATH = "/ena/taxonomy/rest"
EXAMPLE_BODY = 'result=sample&query=tissue="liver"&fields=all&limit=0'
