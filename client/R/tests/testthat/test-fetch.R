test_that("a slice is a data frame that says where it comes from", {
  table <- rna_fetch(test_server(), "marioni_counts", genes = GENES, where = list(Tissue = "Liver"))
  expect_s3_class(table, "data.frame")
  expect_equal(as.matrix(table), COUNTS, ignore_attr = c("origin", "labels"))
  origin <- attr(table, "origin")
  expect_equal(origin[c("matrix", "study", "units", "license")], list(
    matrix = "marioni_counts", study = "marioni", units = "counts", license = "Artistic-2.0"
  ))
  expect_equal(origin$query, list(featureIDList = GENES, Tissue = "Liver"))
  expect_match(origin$etag, "^\"")
})

test_that("groups, summaries and the highest features", {
  server <- test_server()
  medians <- rna_fetch(server, "marioni_counts", genes = GENES, group_by = "Tissue", summary = "median")
  expect_equal(names(medians), c("Kidney", "Liver"))
  expect_equal(medians$Liver, apply(COUNTS, 1, median), ignore_attr = TRUE)
  top <- rna_fetch(server, "marioni_counts", top = 1, group_by = "Tissue")
  expect_true(nrow(top) <= 2)
  few <- rna_fetch(server, "marioni_counts", genes = GENES[1], samples = "R1L2Liver", units = "counts")
  expect_equal(few[1, 1], 27)
  both <- list(Tissue = c("Liver", "Kidney"), Tissue_not = "Kidney", length_min = 4000, feature_min_value = list(ENSG00000187634 = 23))
  expect_equal(rownames(rna_fetch(server, "marioni_counts", GENES, where = both)), GENES[1])
})

test_that("other kinds of objects", {
  server <- test_server()
  dense <- rna_fetch(server, "marioni_counts", to = "matrix")
  sparse <- rna_fetch(server, "marioni_counts", to = "dgCMatrix")
  expect_s4_class(sparse, "dgCMatrix")
  expect_equal(as.matrix(sparse), dense, ignore_attr = c("origin", "labels"))
  expect_error(rna_fetch(server, "marioni_counts", to = "tibble"), "data.frame, matrix, dgCMatrix")
})

test_that("a SummarizedExperiment has the attributes of both axes", {
  server <- test_server()
  skip_if_not_installed("SummarizedExperiment")
  found <- rna_fetch(server, "marioni_counts", GENES, where = list(Tissue = "Liver"), to = "SummarizedExperiment")
  expect_equal(SummarizedExperiment::assay(found, "counts"), COUNTS)
  expect_equal(unique(found$Tissue), "Liver")
  expect_equal(SummarizedExperiment::rowData(found)$biotype, rep("protein_coding", 2))
  expect_equal(S4Vectors::metadata(found)$rnaget$matrix, "marioni_counts")
  groups <- rna_fetch(server, "marioni_counts", GENES, group_by = "Tissue", to = "SummarizedExperiment")
  expect_equal(colnames(groups), c("Kidney", "Liver"))
})

test_that("a Seurat object has counts and the attributes of samples", {
  server <- test_server()
  skip_if_not_installed("SeuratObject")
  found <- rna_fetch(server, "marioni_counts", GENES, where = list(Tissue = "Liver"), to = "Seurat")
  expect_equal(found$nCount_RNA, colSums(COUNTS))
  expect_equal(unique(found$Tissue), "Liver")
  expect_equal(SeuratObject::Misc(found, "rnaget")$units, "counts")
  groups <- rna_fetch(server, "marioni_counts", GENES, group_by = "Tissue", to = "Seurat")
  expect_equal(colnames(groups), c("Kidney", "Liver"))
})

test_that("samples and features have their attributes", {
  server <- test_server()
  obs <- rna_obs(server, "marioni_counts")
  expect_equal(obs["R1L2Liver", "Tissue"], "Liver")
  expect_equal(dim(obs), c(10, 2))
  var <- rna_var(server, rna_matrix(server, "marioni_counts"))
  expect_equal(nrow(var), 5088)
  expect_equal(var[GENES, "length"], c(4985, 3870.5))
})

test_that("what is missing is said, and what is wrong refused", {
  server <- test_server()
  expect_warning(table <- rna_fetch(server, "marioni_counts", c(GENES[1], "NOPE")), "does not have NOPE")
  expect_equal(attr(table, "origin")$missing, "NOPE")
  expect_error(rna_fetch(server, "marioni_counts", "NOPE"), "404", class = "rnaget_not_found_error")
  expect_error(rna_fetch(server, "marioni_counts", character()), "empty")
  expect_error(rna_fetch(server, "marioni_counts", NA), "missing values")
  expect_error(rna_fetch(server, "marioni_counts", where = list("Liver")), "names of filters")
  expect_error(rna_fetch(server, "marioni_counts", GENES, where = list(featureIDList = "x")), "given twice")
  expect_error(rna_fetch(server, "marioni_counts", where = list(Tisue = "Liver")), "did you mean 'Tissue'")
  expect_error(rna_fetch(server, "marioni_counts", top = 0), "no whole number")
})

test_that("long lists go by POST", {
  server <- test_server()
  genes <- rownames(rna_var(server, "marioni_counts"))
  expect_equal(rownames(rna_fetch(server, "marioni_counts", rev(genes[1:4000]))), genes[1:4000])
})

test_that("a slice as a file has the format of its name", {
  server <- test_server()
  path <- file.path(new_directory(), "liver.tsv.gz")
  expect_equal(rna_download(server, "marioni_counts", path, GENES, where = list(Tissue = "Liver")), path)
  expect_equal(as.matrix(read.delim(path, row.names = 1)), COUNTS)
  expect_error(rna_download(server, "marioni_counts", path), "exists")
  expect_error(rna_download(server, "marioni_counts", sub("tsv.gz", "xyz", path)), "says no format")
  expect_error(rna_download(server, "marioni_counts", sub("tsv.gz", "loom", path), format = "tsv"), "no name for")
  expect_error(rna_download(server, "marioni_counts", sub("tsv.gz", "loom", path), gene = 1), "404")
  expect_equal(list.files(dirname(path), all.files = TRUE, no.. = TRUE), "liver.tsv.gz")
})
