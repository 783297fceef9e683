#' Connect to a server
#'
#' Nothing is asked before something is read.
#'
#' @param url The address of its RNAget API, such as `https://rna.example.org/rnaget`; `/rnaget` may be left out.
#' @param token A bearer token, which only this server is sent.
#' @param timeout Seconds for a connection, and for a reply to go on.
#' @param max_retries,retry_wait Failures in succession that are allowed, and seconds of the first wait. A server that
#'   says how long to wait is waited for.
#' @param headers Further headers, by name, which only this server is sent.
#' @return A server, the first argument of most functions of this package.
#' @examples
#' server <- rna_connect("http://127.0.0.1:8080")
#' \dontrun{
#' rna_matrices(server)
#' rna_fetch(server, "marioni_counts", where = list(Tissue = "Liver"))
#' }
#' @export
rna_connect <- function(url, token = NULL, timeout = 120, max_retries = 4, retry_wait = 0.5, headers = NULL) {
  url <- sub("/+$", "", trimws(as_text(url, "url")))
  server <- new.env(parent = emptyenv())
  server$address <- url
  server$session <- new_session(url, token, timeout, max_retries, retry_wait, headers)
  server$known <- list()
  structure(server, class = "rnaget_server")
}

#' @export
print.rnaget_server <- function(x, ...) {
  cat("RNAget server ", shown_url(x$address), "\n", sep = "")
  cat("next: rna_projects(), rna_studies(), rna_matrices(), rna_tracks(), rna_genomes(), rna_reads()\n")
  invisible(x)
}

#' What a server says of itself
#'
#' @param server A server of [rna_connect()].
#' @return A list.
#' @examples
#' \dontrun{
#' rna_info(server)$name
#' }
#' @export
rna_info <- function(server) get_json(server, "service-info")

# The address of the RNAget API: the one given, or `/rnaget` below it if it is only there.
root_of <- function(server) {
  if (!inherits(server, "rnaget_server")) fail("server is none: make one by rna_connect(url)")
  if (is.null(server$root)) {
    address <- server$address
    below <- paste0(address, "/rnaget")
    is_below <- !endsWith(address, "/rnaget") && !is_api(server, address) && is_api(server, below)
    server$root <- if (is_below) below else address
  }
  server$root
}

# The address above the RNAget API, where other standards are.
site_of <- function(server) sub("/rnaget$", "", root_of(server))

is_api <- function(server, root) {
  info <- tryCatch(
    json_of(server, paste0(root, "/service-info")),
    rnaget_status_error = function(error) NULL, rnaget_json_error = function(error) NULL
  )
  is.list(info) && is.list(info$type) && identical(tolower(info$type$artifact %||% ""), "rnaget")
}

as_text <- function(value, name) {
  if (!is.character(value) || length(value) != 1 || is.na(value) || !nzchar(trimws(value))) {
    fail(name, " must be one text, and not ", deparse1(value))
  }
  value
}
