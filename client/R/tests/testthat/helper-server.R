# Tests of what a server sends ask a real one: the demo catalogue with a small genome, signal and reads, whose address is
# in RNAGET_TEST_SERVER. tests/client/test_r.py starts it.
test_server <- function(...) {
  url <- Sys.getenv("RNAGET_TEST_SERVER")
  skip_if(!nzchar(url), "RNAGET_TEST_SERVER names no server")
  rna_connect(url, ...)
}

GENES <- c("ENSG00000187634", "ENSG00000188976")

# As in the documentation of the API, and in the source file.
COUNTS <- rbind(
  ENSG00000187634 = c(R1L2Liver = 27, R1L4Liver = 34, R1L6Liver = 23, R1L8Liver = 35, R2L3Liver = 25),
  ENSG00000188976 = c(34, 56, 45, 55, 42)
)

# An empty directory for one test.
new_directory <- function() {
  path <- tempfile("directory-")
  dir.create(path)
  path
}
