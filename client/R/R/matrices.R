# Ids that are never names of genes.
NO_NAMES <- "^(ENS[A-Z]*[0-9]{6,}|WBGene[0-9]+|FBgn[0-9]+|NM_[0-9]+|NR_[0-9]+)([.][0-9]+)?$"
KINDS <- c("data.frame", "matrix", "dgCMatrix", "SummarizedExperiment", "Seurat")

#' A slice of a matrix
#'
#' Lists that are too long for a URL go by POST where the server takes that. What of the genes or samples the server
#' does not have is named in a warning; if it has none of them, it is an error.
#'
#' @param server A server of [rna_connect()].
#' @param matrix The id of a matrix, or one of [rna_matrix()].
#' @param genes Ids of features, or names such as gene symbols where none of them is an id.
#' @param samples Ids of samples.
#' @param where A list of values by filter, such as `list(Tissue = c("Liver", "Kidney"), length_min = 2000)`;
#'   [rna_filters()] lists them.
#' @param units The units of the values; without it, the main ones.
#' @param group_by,summary One column for each value of an attribute of samples, with this summary of its samples:
#'   `mean`, `median`, `q1`, `q3`, `min`, `max`, `std`, `sum`, `fraction`, `fraction_nonzero` or `n`.
#' @param top The features among so many highest of some sample.
#' @param to `"data.frame"`, `"matrix"`, `"dgCMatrix"` (sparse), `"SummarizedExperiment"` or `"Seurat"`. The last two
#'   need the packages SummarizedExperiment and SeuratObject; they come with the attributes of samples and features.
#' @return The values, features as rows and samples as columns, by their ids. The attribute `origin` says where they come
#'   from: server, matrix, study, version, units, license, query, etag, and what was missing or left out; in a
#'   SummarizedExperiment it is `metadata(x)$rnaget`, in a Seurat object `Misc(x, "rnaget")`. Further columns of text,
#'   such as names of genes, are the attribute `labels`.
#' @examples
#' \dontrun{
#' rna_fetch(server, "marioni_counts", genes = "ENSG00000187634", where = list(Tissue = "Liver"))
#' rna_fetch(server, "marioni_counts", group_by = "Tissue", summary = "median", top = 10)
#' }
#' @export
rna_fetch <- function(server, matrix, genes = NULL, samples = NULL, where = NULL, units = NULL, group_by = NULL,
                      summary = NULL, top = NULL, to = "data.frame") {
  if (!identical(length(to), 1L) || !to %in% KINDS) fail("to: a slice is made one of ", paste(KINDS, collapse = ", "))
  need_package(to)
  about <- if (inherits(matrix, "rnaget_item")) matrix else rna_matrix(server, matrix)
  query <- slice_query(genes, samples, where, units, group_by, summary, top)
  file <- named_or_not(server, id_of(about), c(query, list(format = "tsv")))
  on.exit(unlink(file$path))
  is_sparse <- to %in% c("dgCMatrix", "Seurat")
  attributes <- unlist(field(about, "featureAttributes"))
  table <- read_tsv(file$path, id_of(about), attributes, is_sparse, id_column = field(about, "featureID"))
  origin <- origin_list(server, about, file, query, table$origin)
  switch(to,
    data.frame = as_data_frame(table, origin),
    SummarizedExperiment = as_experiment(table, origin, axes_of(server, about, query)),
    Seurat = as_seurat(table, origin, axes_of(server, about, query)),
    structure(table$values, origin = origin, labels = table$labels)
  )
}

#' A slice of a matrix as a file
#'
#' The file appears under its name when it is complete.
#'
#' @inheritParams rna_fetch
#' @param output The name of the file, which chooses the format: `liver.h5ad`, `liver.tsv.gz`.
#' @param ... What [rna_fetch()] takes to choose a slice: `genes`, `samples`, `where`, `units`, `group_by`, `summary`, `top`.
#' @param format The format, if the name does not say it.
#' @param overwrite Whether a file that exists is replaced.
#' @return The name of the file, invisibly.
#' @examples
#' \dontrun{
#' rna_download(server, "marioni_counts", "liver.h5ad", where = list(Tissue = "Liver"))
#' }
#' @export
rna_download <- function(server, matrix, output, ..., format = NULL, overwrite = FALSE) {
  check_output(output, overwrite)
  query <- c(slice_query(...), list(format = format_of(server, output, format)))
  file <- named_or_not(server, id_of(matrix), query, temporary_for(output))
  publish(file$path, output)
}

#' The samples or the features of a matrix
#'
#' @inheritParams rna_fetch
#' @return A data frame: the attributes of samples (`rna_obs()`) or features (`rna_var()`), by id.
#' @examples
#' \dontrun{
#' table(rna_obs(server, "marioni_counts")$Tissue)
#' }
#' @export
rna_obs <- function(server, matrix) axis_table(server, matrix, "samples")

#' @rdname rna_obs
#' @export
rna_var <- function(server, matrix) axis_table(server, matrix, "features")

axis_table <- function(server, matrix, axis, query = list()) {
  rows <- get_pages(server, paste0("expressions/", encode(id_of(matrix)), "/", axis), query, 5000)
  frame_of_attributes(rows)
}

frame_of_attributes <- function(rows) {
  attributes <- lapply(rows, `[[`, "attributes")
  names <- unique(unlist(lapply(attributes, names)))
  columns <- lapply(stats::setNames(names, names), function(name) column_of(lapply(attributes, `[[`, name)))
  ids <- vapply(rows, function(row) as.character(row$id), "")
  # The column that has the ids is the names of the rows already.
  columns <- columns[!vapply(columns, function(column) identical(as.character(column), ids), NA)]
  frame <- data.frame(row.names = make.unique(ids))
  frame[names(columns)] <- columns
  frame
}

# The attributes of samples and features of a slice, as far as the server lists them.
axes_of <- function(server, matrix, query) {
  if (is.null(field(matrix, "shape"))) return(list())
  list(samples = if (is.null(query$group_by)) rna_obs(server, matrix), features = rna_var(server, matrix))
}

slice_query <- function(genes = NULL, samples = NULL, where = NULL, units = NULL, group_by = NULL, summary = NULL,
                        top = NULL) {
  own <- list(
    featureIDList = genes, sampleIDList = samples, units = units, group_by = group_by, summary = summary,
    top = if (!is.null(top)) whole_number(top, 1)
  )
  where <- as.list(where)
  if (length(where) && (is.null(names(where)) || any(names(where) == ""))) {
    fail("where needs the names of filters: list(Tissue = \"Liver\")")
  }
  is_empty <- vapply(c(own, where), function(value) !is.null(value) && !length(value), NA)
  if (any(is_empty)) fail(paste(names(is_empty)[is_empty], collapse = ", "), " is empty: leave it out for all")
  clash <- intersect(names(present(own)), names(where))
  if (length(clash)) fail(paste(clash, collapse = ", "), ": given twice, in where as well")
  missing <- vapply(c(own, where), function(value) anyNA(unlist(value)), NA)
  if (any(missing)) fail(paste(names(missing)[missing], collapse = ", "), " has missing values (NA)")
  present(c(lapply(own, function(value) if (is.factor(value)) as.character(value) else value), where))
}

# The file of a query; genes that are no ids here are asked for by name.
named_or_not <- function(server, id, query, path = tempfile("rnaget-")) {
  route <- paste0("expressions/", encode(id))
  genes <- query$featureIDList
  file <- tryCatch(slice_file(server, route, query, path), rnaget_not_found_error = function(error) error)
  if (inherits(file, "error")) {
    if (is.null(genes) || all(grepl(NO_NAMES, genes, ignore.case = TRUE))) stop(file)
    names(query)[names(query) == "featureIDList"] <- "featureNameList"
    refusal <- file
    file <- tryCatch(slice_file(server, route, query, path), rnaget_status_error = function(error) {
      stop(if (error$status == 404L) error else refusal)
    })
  }
  missing <- file$headers[["rnaget-missing"]]
  if (!is.null(missing)) warning(id, " does not have ", utils::URLdecode(missing), call. = FALSE)
  file
}

REMARKS <- c(missing = "rnaget-missing", omitted = "rnaget-omitted", ungrouped = "rnaget-ungrouped")
# Some servers write the format where the units should be.
NO_UNITS <- c("tsv", "loom", "h5ad", "h5", "json", "csv")

origin_list <- function(server, about, file, query, comments, kind = "matrix") {
  units <- field(file$about, "units")
  if (!is.null(units) && tolower(units[[1]]) %in% NO_UNITS) units <- NULL
  remarks <- lapply(REMARKS, function(name) {
    text <- file$headers[[name]]
    if (!is.null(text)) vapply(strsplit(text, ",", fixed = TRUE)[[1]], utils::URLdecode, "", USE.NAMES = FALSE)
  })
  own <- list(
    server = root_of(server), id = id_of(about), study = field(file$about, STUDY) %||% field(about, STUDY),
    version = field(file$about, "version") %||% field(about, "version"), units = units %||% query$units,
    license = field(about, "license"), query = query, etag = file$headers[["etag"]], origin = comments
  )
  names(own)[2] <- kind
  present(c(own, remarks))
}

# The format to ask for: the one given, else the one that the name of the file says.
format_of <- function(server, output, given = NULL) {
  formats <- c("tsv.gz", "tsv.zst", "tsv", "loom", "h5ad", "json", "parquet", "arrow", "bedgraph", "bigwig")
  special <- c(
    long.tsv = "tsv.long", long.parquet = "parquet.long", long.arrows = "arrow.long", sparse.json = "json.sparse",
    mtx.zip = "mtx"
  )
  endings <- c(special, stats::setNames(formats, formats), arrows = "arrow", bw = "bigwig", bg = "bedgraph")
  said <- unname(endings[endsWith(tolower(output), paste0(".", names(endings)))])
  if (!length(said)) {
    if (!is.null(given)) return(given)
    fail(basename(output), " says no format: give format = one of ", paste(rna_formats(server), collapse = ", "))
  }
  kind <- function(name) sub("[.](long|sparse)$", "", name)
  if (!is.null(given) && !same_format(kind(given), kind(said[1]))) fail(basename(output), " is no name for the format ", given)
  given %||% said[1]
}

same_format <- function(one, other) {
  plain <- function(name) sub("^anndata$", "h5ad", sub("^arrows$", "arrow", sub("^[.]", "", tolower(name))))
  plain(one) == plain(other)
}
