#' What a server has
#'
#' `rna_projects()`, `rna_studies()`, `rna_matrices()`, `rna_tracks()`, `rna_genomes()` and `rna_reads()` list what there
#' is. RNAget has no route that lists matrices or tracks, so that not every server does; by their ids they can be asked
#' for all the same.
#'
#' @param server A server of [rna_connect()].
#' @param project The id of a project whose studies are wanted.
#' @param study The id of a study whose matrices are wanted.
#' @param ... Further filters of the server, by name.
#' @return A data frame with a row for each.
#' @examples
#' \dontrun{
#' rna_matrices(server, study = "marioni")
#' }
#' @export
rna_projects <- function(server, ...) {
  table_of(get_objects(server, "projects", list(...)), list(id = "id", version = "version", name = "name"))
}

#' @rdname rna_projects
#' @export
rna_studies <- function(server, project = NULL, ...) {
  query <- list(projectID = project, ...)
  rows <- tryCatch(get_objects(server, "studies", query), rnaget_status_error = function(error) {
    if (error$status != 400L || !identical(names(present(query)), "projectID")) stop(error)
    get_objects(server, "studies") # it knows no such filter
  })
  # A server without filters sends all of them.
  own <- vapply(rows, function(row) is.null(project) || (field(row, PROJECT) %||% project) == project, NA)
  columns <- c(id = "id", version = "version", genome = "genome", license = "license", name = "name")
  table_of(rows[own], append(as.list(columns), list(project = PROJECT), 1))
}

PROJECT <- c("parentProjectID", "projectID")
STUDY <- c("studyID", "study")

#' @rdname rna_projects
#' @export
rna_matrices <- function(server, study = NULL, ...) {
  rows <- not_listed(server, "matrices", get_pages(server, "expressions/info", list(studyID = study, ...), 100))
  rows <- Filter(function(row) is.null(study) || identical(field(row, STUDY) %||% study, study), rows)
  rows <- lapply(rows, function(row) c(row, list(features = row$shape$features, samples = row$shape$samples)))
  columns <- list(id = "id", study = STUDY, units = "units", features = "features", samples = "samples", name = "name")
  table_of(rows, columns)
}

#' @rdname rna_projects
#' @export
rna_tracks <- function(server) {
  rows <- sets_of_files(server, "tracks", "tracks")
  table_of(rows, list(id = "id", study = "study", samples = "samples", bytes = "bytes"))
}

#' @rdname rna_projects
#' @export
rna_reads <- function(server) {
  rows <- sets_of_files(server, "reads", c("reads", "variants"))
  columns <- list(id = "id", kind = "kind", study = "study", formats = "formats", samples = "samples", bytes = "bytes")
  table_of(rows, columns)
}

#' @rdname rna_projects
#' @export
rna_genomes <- function(server) {
  rows <- not_listed(server, "genomes", get_json(server, "genomes", at_site = TRUE)$genomes)
  columns <- c("id", species = "scientific_name", "assembly", "sequences", "genes", "name")
  names(columns) <- ifelse(names(columns) == "", columns, names(columns))
  table_of(rows, as.list(columns))
}

#' The formats, units and filters of a server
#'
#' @param server A server of [rna_connect()].
#' @param of `"matrices"` or `"tracks"`; for filters also `"projects"` or `"studies"`.
#' @return Formats and units are texts; filters a data frame.
#' @examples
#' \dontrun{
#' rna_filters(server)
#' }
#' @export
rna_formats <- function(server, of = c("matrices", "tracks")) {
  as.character(unlist(optional_json(server, paste0(group_of(match.arg(of)), "/formats"))))
}

#' @rdname rna_formats
#' @export
rna_units <- function(server, of = c("matrices", "tracks")) {
  as.character(unlist(optional_json(server, paste0(group_of(match.arg(of)), "/units"))))
}

#' @rdname rna_formats
#' @export
rna_filters <- function(server, of = c("matrices", "tracks", "projects", "studies")) {
  rows <- optional_json(server, paste0(group_of(match.arg(of)), "/filters"))
  table_of(rows, list(filter = "filter", type = "fieldType", values = "values", description = "description"))
}

group_of <- function(of) switch(of, matrices = "expressions", tracks = "continuous", of)

#' The files of a study
#'
#' @param server A server of [rna_connect()].
#' @param study The id of a study; without it, of all.
#' @param kind One kind of files, such as `"tracks"`.
#' @return A data frame: name, address, bytes, MD5, and what each is.
#' @examples
#' \dontrun{
#' files <- rna_files(server, "marioni")
#' rna_get(files$url[1], files$name[1])
#' }
#' @export
rna_files <- function(server, study = NULL, kind = NULL) {
  names <- c("name", "url", "bytes", "md5", "format", "kind", "record", "study", "samples")
  table_of(file_report(server, study, kind), stats::setNames(as.list(names), names))
}

file_report <- function(server, study = NULL, kind = NULL) {
  found <- tryCatch(
    get_json(server, "files", list(study = study, kind = kind, format = "json"), at_site = TRUE),
    rnaget_status_error = function(error) {
      if (error$status %in% NOT_OFFERED && !grepl("study", conditionMessage(error))) {
        fail(shown_url(site_of(server)), " has no report of its files", class = "rnaget_not_offered_error")
      }
      stop(error)
    }
  )
  as_objects(if (!is.null(names(found))) found$files else found, paste0(site_of(server), "/files"))
}

# The sets whose files the report lists, each once with all of its formats and samples.
sets_of_files <- function(server, what, kinds) {
  rows <- not_listed(server, what, do.call(c, lapply(kinds, function(kind) file_report(server, kind = kind))))
  keys <- vapply(rows, function(row) paste(row$kind, row$record), "")
  lapply(unique(keys), function(key) {
    own <- rows[keys == key]
    each <- function(name) unique(unlist(lapply(own, `[[`, name)))
    bytes <- sum(as.numeric(unlist(lapply(own, `[[`, "bytes"))))
    first <- own[[1]]
    list(
      id = first$record, kind = first$kind, study = first$study, bytes = bytes, formats = each("format"),
      samples = each("samples")
    )
  })
}

# The value of `rows`, which is evaluated here, or an error of its own where the server has no such list.
not_listed <- function(server, what, rows) {
  tryCatch(rows, rnaget_error = function(error) {
    is_absent <- status_of(error) %in% c(NOT_OFFERED, 400L) || inherits(error, "rnaget_not_offered_error")
    if (!is_absent) stop(error)
    fail(
      shown_url(root_of(server)), " does not list its ", what, " (", conditionMessage(error), "): ask for one by its id",
      class = "rnaget_not_offered_error"
    )
  })
}

get_objects <- function(server, path, query = list()) {
  as_objects(get_json(server, path, query), paste0(root_of(server), "/", path))
}

as_objects <- function(rows, place) {
  is_fit <- is.list(rows) && is.null(names(rows)) && all(vapply(rows, function(row) !is.null(names(row)), NA))
  if (!is_fit) fail(shown_url(place), " is no list of objects: is this the address of an RNAget API?")
  rows
}

# All rows of a route that answers by pages.
get_pages <- function(server, path, query, size) {
  pages <- list()
  offset <- 0
  repeat {
    found <- get_json(server, path, c(query, list(offset = offset, limit = size)))
    is_page <- !is.null(names(found))
    rows <- as_objects(if (is_page) found$data else found, paste0(root_of(server), "/", path))
    total <- if (is_page) field(found, "total", "count") else length(rows)
    offset <- offset + length(rows)
    pages <- c(pages, list(rows))
    if (!length(rows) || !is.numeric(total) || offset >= total) return(do.call(c, pages))
  }
}

# Objects as a data frame; `columns` has the names of its columns, and of the fields of each.
table_of <- function(rows, columns) {
  cells <- lapply(columns, function(names) column_of(lapply(rows, field, names)))
  as.data.frame(cells, stringsAsFactors = FALSE)
}

# Values as one column: numbers or texts; several values of a cell are separated by commas.
column_of <- function(values) {
  values <- lapply(values, function(value) if (length(value)) unlist(value) else NA)
  is_single <- all(lengths(values) == 1)
  if (is_single && all(vapply(values, function(value) is.numeric(value) || is.na(value), NA))) {
    if (all(is.na(unlist(values)))) return(rep(NA_character_, length(values)))
    return(as.numeric(unlist(values)))
  }
  if (is_single && all(vapply(values, is.logical, NA))) return(as.logical(unlist(values)))
  vapply(values, function(value) if (anyNA(value)) NA_character_ else paste(texts_of(value), collapse = ", "), "")
}
