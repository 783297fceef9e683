# Tables as data frames, SummarizedExperiment and Seurat objects.

need_package <- function(to) {
  package <- switch(to, SummarizedExperiment = "SummarizedExperiment", Seurat = "SeuratObject")
  if (!is.null(package) && !requireNamespace(package, quietly = TRUE)) {
    fail("to = \"", to, "\" needs the package ", package, ", which is not installed")
  }
}

as_data_frame <- function(table, origin) {
  frame <- as.data.frame(table$values, optional = TRUE)
  colnames(frame) <- colnames(table$values)
  structure(frame, origin = origin, labels = table$labels)
}

as_experiment <- function(table, origin, axes) {
  assays <- stats::setNames(list(table$values), origin$units[[1]] %||% "values")
  SummarizedExperiment::SummarizedExperiment(
    assays = assays, rowData = aligned(axes$features, rownames(table$values), table$labels),
    colData = aligned(axes$samples, colnames(table$values)), metadata = list(rnaget = origin)
  )
}

as_seurat <- function(table, origin, axes) {
  samples <- aligned(axes$samples, colnames(table$values))
  object <- SeuratObject::CreateSeuratObject(
    counts = table$values, meta.data = if (ncol(samples)) samples, project = origin$matrix
  )
  SeuratObject::Misc(object, slot = "rnaget") <- origin
  object
}

# The attributes of some ids in their order; those that the table has itself where others are not known.
aligned <- function(known, ids, labels = NULL) {
  if (!is.null(known) && all(ids %in% rownames(known))) return(known[ids, , drop = FALSE])
  columns <- if (length(labels)) as.data.frame(labels, optional = TRUE) else data.frame(row.names = seq_along(ids))
  if (!anyDuplicated(ids)) rownames(columns) <- ids
  columns
}
