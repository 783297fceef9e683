# Writes the matrix in an .rds file, and the attributes of its rows and columns, as files that the importer reads:
# matrix.mtx with features.tsv and barcodes.tsv, or matrix.tsv; features_table.tsv, samples_table.tsv; or frame.tsv.
# What cannot be read is said in refusal.txt. Arguments: the file, the directory to write to, the layer ("" for the usual),
# and "transpose" if the rows of a matrix are its samples (a data frame is transposed by its reader).

arguments <- commandArgs(TRUE)
input <- arguments[1]
layer <- if (length(arguments) > 2) arguments[3] else ""
transposed <- "transpose" %in% arguments[4]
setwd(arguments[2])
options(scipen = 0, digits = 15, warn = -1)

refuse <- function(...) stop(paste0(...), call. = FALSE)
text <- function(values) gsub("[\t\r\n]+", " ", enc2utf8(as.character(values)))
needed <- function(package) {
  if (!requireNamespace(package, quietly = TRUE)) refuse("R needs its package ", package, " to read this: install it")
}
chosen <- function(names, usual) {
  if (layer == "" && length(names) && usual %in% names) return(usual)
  if (layer == "" && length(names)) return(names[1])
  if (!layer %in% names) refuse("--layer: there is no matrix '", layer, "'; there are ", paste(names, collapse = ", "))
  layer
}

write_rows <- function(rows, file, header = TRUE) {
  write.table(rows, file, append = !header, sep = "\t", quote = TRUE, qmethod = "double", na = "", row.names = FALSE,
              col.names = header, fileEncoding = "UTF-8")
}

# Columns of texts and numbers; others, such as lists, are left out.
columns_of <- function(table) {
  columns <- lapply(seq_len(ncol(table)), function(at) {
    column <- table[[at]]
    if (methods::is(column, "Rle")) column <- as.vector(column)
    if (is.factor(column) || is.character(column) || inherits(column, c("Date", "POSIXct"))) return(text(as.character(column)))
    if (is.logical(column)) return(as.character(column))
    if (is.numeric(column) && is.null(dim(column))) column else NULL
  })
  names(columns) <- colnames(table)
  Filter(Negate(is.null), columns)
}

write_attributes <- function(table, ids, id, file) {
  columns <- if (is.null(table) || !ncol(table)) list() else columns_of(table)
  if (!length(columns)) return(invisible())
  frame <- do.call(data.frame, c(list(text(ids)), unname(columns), list(stringsAsFactors = FALSE)))
  names(frame) <- make.unique(c(id, text(names(columns))))
  write_rows(frame, file)
}

# As writeMM, which has other numbers in place of missing and infinite ones.
write_entries <- function(x) {
  head <- sprintf("%.0f %.0f %.0f", nrow(x), ncol(x), length(x@x))
  writeLines(c("%%MatrixMarket matrix coordinate real general", head), "matrix.mtx")
  entries <- data.frame(x@i + 1L, rep(seq_len(ncol(x)), diff(x@p)), x@x)
  write.table(entries, "matrix.mtx", append = TRUE, quote = FALSE, na = "nan", row.names = FALSE, col.names = FALSE)
}

write_cells <- function(x) {
  if (is.null(rownames(x)) || is.null(colnames(x))) {
    refuse("the matrix has no ids: give them by rownames(x) and colnames(x), the features being rows")
  }
  if (methods::is(x, "Matrix")) {
    x <- methods::as(methods::as(methods::as(x, "dMatrix"), "generalMatrix"), "CsparseMatrix")
    if (all(is.finite(x@x))) Matrix::writeMM(x, "matrix.mtx") else write_entries(x)
    write_rows(data.frame(text(rownames(x))), "features.tsv", FALSE)
    write_rows(data.frame(text(colnames(x))), "barcodes.tsv", FALSE)
    return(invisible())
  }
  if (!is.matrix(x) || !(is.numeric(x) || is.logical(x))) {
    refuse("the values are of class ", class(x)[1], ": make a matrix of numbers of them, as by as.matrix")
  }
  step <- max(1, floor(1e6 / ncol(x)))
  for (start in seq(1, nrow(x), step)) {
    rows <- x[start:min(nrow(x), start + step - 1), , drop = FALSE]
    block <- data.frame(text(rownames(rows)), rows + 0, check.names = FALSE)
    names(block) <- c("feature_id", text(colnames(x)))
    write_rows(block, if (start == 1) "matrix.tsv" else (opened <- file("matrix.tsv", "a")), start == 1)
    if (start > 1) close(opened)
  }
}

write_all <- function(cells, rows = NULL, columns = NULL) {
  if (transposed) cells <- Matrix::t(cells)
  write_cells(cells)
  write_attributes(if (transposed) columns else rows, rownames(cells), "feature_id", "features_table.tsv")
  write_attributes(if (transposed) rows else columns, colnames(cells), "sample_id", "samples_table.tsv")
}

of_experiment <- function(x) {
  needed("SummarizedExperiment")
  names <- SummarizedExperiment::assayNames(x)
  cells <- SummarizedExperiment::assay(x, if (length(names)) chosen(names, "counts") else 1)
  features <- SummarizedExperiment::rowData(x)
  if (methods::is(x, "RangedSummarizedExperiment") && methods::is(SummarizedExperiment::rowRanges(x), "GRanges")) {
    places <- as.data.frame(unname(SummarizedExperiment::rowRanges(x)))[c("seqnames", "start", "end", "strand")]
    names(places)[1] <- "chromosome"
    places <- places[setdiff(names(places), colnames(features))]
    others <- columns_of(features)
    features <- if (length(others)) cbind(places, as.data.frame(others, optional = TRUE)) else places
  }
  write_all(cells, features, SummarizedExperiment::colData(x))
}

of_seurat <- function(x) {
  needed("SeuratObject")
  parts <- strsplit(layer, "/", fixed = TRUE)[[1]]
  assay <- if (length(parts) == 2) parts[1] else SeuratObject::DefaultAssay(x)
  if (!assay %in% names(x)) refuse("--layer: there is no assay '", assay, "'; there are ", paste(names(x), collapse = ", "))
  name <- if (length(parts)) parts[length(parts)] else "counts"
  values <- x[[assay]]
  cells <- if (utils::packageVersion("SeuratObject") >= "5.0.0") {
    layers <- SeuratObject::Layers(values)
    parts <- layers[startsWith(layers, paste0(name, "."))]
    if (!name %in% layers && length(parts) > 1) {
      refuse("the layer ", name, " is in parts (", paste(parts, collapse = ", "), "): join them by JoinLayers(x)")
    }
    SeuratObject::LayerData(values, layer = name)
  } else {
    SeuratObject::GetAssayData(values, slot = name)
  }
  if (!length(cells)) refuse("--layer: the assay ", assay, " has no ", name)
  write_all(cells, values[[]][rownames(cells), , drop = FALSE], x[[]][colnames(cells), , drop = FALSE])
}

of_frame <- function(x) {
  ids <- if (.row_names_info(x) > 0) list(feature_id = text(rownames(x))) else list()
  columns <- columns_of(x)
  if (!length(ids) && length(columns) && is.numeric(columns[[1]])) {
    refuse("the data frame has no row names, and its first column, ", names(columns)[1], ", holds numbers: give it the ids ",
           "by rownames(x), or put a column of them as text in front, as by as.character")
  }
  frame <- do.call(data.frame, c(ids, columns, list(check.names = FALSE, stringsAsFactors = FALSE)))
  write_rows(frame, "frame.tsv")
}

convert <- function() {
  x <- readRDS(input)
  for (package in setdiff(c("Matrix", attr(class(x), "package")), ".GlobalEnv")) needed(package)
  if (methods::is(x, "SummarizedExperiment")) return(of_experiment(x))
  if (inherits(x, "Seurat")) return(of_seurat(x))
  if (methods::is(x, "ExpressionSet")) {
    needed("Biobase")
    return(write_all(Biobase::exprs(x), Biobase::fData(x), Biobase::pData(x)))
  }
  if (layer != "") refuse("--layer names an assay of a SummarizedExperiment or Seurat object, and this is ", class(x)[1])
  if (is.data.frame(x)) return(of_frame(x))
  if (is.matrix(x) || methods::is(x, "Matrix")) return(write_all(x))
  refuse("this object of class ", paste(class(x), collapse = ", "), " is none of matrix, data.frame, a sparse matrix of ",
         "Matrix, SummarizedExperiment, ExpressionSet and Seurat: save one of these by saveRDS")
}

tryCatch(convert(), error = function(error) {
  writeLines(enc2utf8(conditionMessage(error)), "refusal.txt", useBytes = TRUE)
  quit(status = 3)
})
