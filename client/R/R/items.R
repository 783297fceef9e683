#' One project, study, matrix, set of tracks or genome
#'
#' @param server A server of [rna_connect()].
#' @param id Its id.
#' @return A list of all that the server says of it.
#' @examples
#' \dontrun{
#' rna_study(server, "marioni")$license
#' }
#' @export
rna_project <- function(server, id) get_item(server, "project", "projects", id)

#' @rdname rna_project
#' @export
rna_study <- function(server, id) get_item(server, "study", "studies", id)

#' @rdname rna_project
#' @export
rna_genome <- function(server, id) get_item(server, "genome", "genomes", id, at_site = TRUE)

#' @rdname rna_project
#' @export
rna_matrix <- function(server, id) {
  id <- id_of(id)
  data <- optional_json(server, paste0("expressions/", encode(id), "/info"))
  if (is.null(field(data, "id"))) data <- c(list(id = id), by_ticket(server, "expressions", id))
  new_item("matrix", data)
}

# What the ticket of a matrix says of it, for a server that describes it nowhere else.
by_ticket <- function(server, group, id) {
  ticket <- tryCatch(get_json(server, paste0(group, "/", encode(id), "/ticket")), rnaget_error = function(error) {
    if (status_of(error) == 404L) stop(error)
    list() # there, but not as a whole
  })
  ticket[!names(ticket) %in% c("url", "headers", "md5", "id")]
}

get_item <- function(server, kind, path, id, at_site = FALSE) {
  id <- id_of(id)
  data <- get_json(server, paste0(path, "/", encode(id)), at_site = at_site)
  if (is.list(data) && is.null(names(data)) && length(data) == 1) data <- data[[1]] # of servers that answer with a list
  if (is.null(names(data))) fail(shown_url(root_of(server)), "/", path, "/", id, " is no object")
  new_item(kind, data)
}

new_item <- function(kind, data) structure(data, kind = kind, class = "rnaget_item")

# The id of an item, or a text that is one.
id_of <- function(id) as_text(if (inherits(id, "rnaget_item")) field(unclass(id), "id") else id, "the id")

#' @export
print.rnaget_item <- function(x, ...) {
  cat(attr(x, "kind"), " ", field(unclass(x), "id") %||% "", "\n", sep = "")
  for (name in setdiff(names(x), "id")) {
    value <- unlist(x[[name]])
    if (!length(value)) next
    text <- paste(if (is.null(names(value))) value else paste0(names(value), "=", value), collapse = ", ")
    if (nchar(text) > 100) text <- paste0(substr(text, 1, 99), "\u2026")
    cat("  ", name, ": ", text, "\n", sep = "")
  }
  invisible(x)
}
