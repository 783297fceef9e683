read <- function(text, ...) {
  path <- tempfile()
  on.exit(unlink(path))
  writeBin(charToRaw(text), path)
  read_tsv(path, "m", ...)
}

test_that("labels come before values, and comments before both", {
  table <- read("\xef\xbb\xbf# units: TPM\r\n#labels\tx\r\ngene\tname\tS 1\tS1\r\n1\tNA\t0.5\t1e-3\r\n007\tTP53\tnan\t3\r\n")
  expect_equal(table$values, rbind(`1` = c(`S 1` = 0.5, S1 = 0.001), `007` = c(NaN, 3)))
  expect_equal(table$labels, list(name = c("NA", "TP53")))
  expect_equal(table$origin, list(units = "TPM", labels = "x"))
})

test_that("attributes that are numbers are labels where the matrix has them as such", {
  text <- "gene\tlength\tS1\na\t12\t1\n"
  expect_equal(ncol(read(text)$values), 2)
  expect_equal(read(text, attributes = "length")$values, rbind(a = c(S1 = 1)))
})

test_that("names and labels that begin with a quote are quoted", {
  table <- read("gene\tname\t\"\"\"s\"\ta\"b\n\"\"\"g\"\t\"\"\"n \"\"1\"\"\"\t1\t2\nh\"\t\"\t3\t4\n")
  expect_equal(table$values, rbind(`"g` = c(`"s` = 1, `a"b` = 2), `h"` = c(3, 4)))
  expect_equal(table$labels, list(name = c("\"n \"1\"", "\"")))
})

test_that("rows are called by their ids, in whatever column those are", {
  text <- "symbol\tentrez\tS1\nTP53\t7157\t1\nALB\t0213\t2\n"
  table <- read(text, id_column = "entrez")
  expect_equal(table$values, rbind(`7157` = c(S1 = 1), `0213` = 2))
  expect_equal(table[c("id", "labels")], list(id = "entrez", labels = list(symbol = c("TP53", "ALB"))))
  expect_equal(read("Gene Name\tGene ID\tS1\nTP53\tE1\t1\n")$ids, "E1")
  expect_equal(read("symbol\tid\tS1\nTP53\tE1\t1\n", id_column = "else")$ids, "TP53")
})

test_that("repeated ids stay apart, and empty cells are missing values", {
  table <- read("gene\tS\tS\na\t1\t\na\t\t4")
  expect_equal(table$ids, c("a", "a"))
  expect_equal(unname(table$values), rbind(c(1, NaN), c(NaN, 4)))
  expect_equal(dimnames(table$values), list(c("a", "a.1"), c("S", "S")))
})

test_that("blocks of lines give the same as all at once", {
  expected <- base::matrix(rpois(600, 0.3), 100, dimnames = list(paste0("g", 1:100), paste0("s", 1:6)))
  lines <- paste(rownames(expected), apply(expected, 1, paste, collapse = "\t"), sep = "\t")
  text <- paste(c("id\ts1\ts2\ts3\ts4\ts5\ts6", lines), collapse = "\n")
  for (cells in c(7, 70, 7000)) {
    expect_equal(read(text, cells_at_once = cells)$values, expected)
    expect_equal(as.matrix(read(text, is_sparse = TRUE, cells_at_once = cells)$values), expected)
  }
})

test_that("a symmetric table is a general sparse matrix, too", {
  expect_s4_class(read("id\ta\tb\na\t1\t2\nb\t2\t1\n", is_sparse = TRUE)$values, "dgCMatrix")
})

test_that("a table without rows keeps its columns", {
  expect_equal(dim(read("gene\tS1\tS2\n")$values), c(0, 2))
  expect_s4_class(read("gene\tS1\tS2\n", is_sparse = TRUE)$values, "dgCMatrix")
})

test_that("what is no table is refused", {
  expect_error(read(""), "empty table")
  expect_error(read("a\tb\n1\t2\t3\n"), "2 names of columns, 3 cells")
  expect_error(read("g\tS1\tS2\na\t1\t2\nb\t1\tx\n"), "S2 not all values are numbers")
})

test_that("attributes become columns, also where there are none but the ids", {
  rows <- list(
    list(id = "a", attributes = list(barcode = "a", `a b` = 1)),
    list(id = "b", attributes = list(barcode = "b"))
  )
  expect_equal(frame_of_attributes(rows), data.frame(`a b` = c(1, NA), row.names = c("a", "b"), check.names = FALSE))
  expect_equal(dim(frame_of_attributes(lapply(rows, function(row) list(id = row$id)))), c(2, 0))
  expect_equal(dim(frame_of_attributes(list())), c(0, 0))
})
