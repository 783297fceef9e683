# The routes of a server: JSON and files by them.

JSON <- list(Accept = "application/json")
LONGEST_URL <- 6000
LONGEST_TRIED <- 60000

# The address of a route with a query.
url_of <- function(server, path, query = list(), at_site = FALSE) {
  text <- query_text(query)
  base <- if (at_site) site_of(server) else root_of(server)
  paste0(base, "/", path, if (length(present(query))) paste0("?", text))
}

# The body of a reply with status 200.
read_url <- function(server, url, headers) {
  force(url) # which may ask the server itself, with tries of its own
  try_again(server$session, function() {
    reply <- ask(server$session, url, headers)
    if (reply$status != 200) refuse(reply, reply$body)
    if (is_page(reply$headers)) {
      fail_json(shown_url(url), " sends a page instead of data: is this the address of an RNAget API?")
    }
    reply$body
  })
}

refuse <- function(reply, body) {
  fail_status(reply$status, message_of(reply$status, body), retry_after_of(reply$headers))
}

fail_json <- function(...) fail(..., class = "rnaget_json_error")

json_of <- function(server, url) parse_json(read_url(server, url, JSON), url)

parse_json <- function(body, url) {
  text <- rawToChar(body[body != 0])
  Encoding(text) <- "UTF-8"
  tryCatch(jsonlite::parse_json(text), error = function(error) {
    fail_json(shown_url(url), " is no JSON: is this the address of an RNAget API?")
  })
}

get_json <- function(server, path, query = list(), at_site = FALSE) {
  json_of(server, url_of(server, path, query, at_site))
}

# The JSON reply of a route, or NULL if the server has no such route.
optional_json <- function(server, path, query = list()) {
  tryCatch(
    get_json(server, path, query),
    rnaget_json_error = function(error) NULL,
    rnaget_status_error = function(error) if (error$status %in% c(NOT_OFFERED, 400L)) NULL else stop(error)
  )
}

# The first of some fields that an object has, in any case of its letters.
field <- function(data, ...) {
  for (name in c(...)) {
    place <- match(tolower(name), tolower(names(data)))
    value <- if (!is.na(place)) data[[place]]
    if (length(value) && !identical(value, "")) return(value)
  }
  NULL
}

# A slice of `expressions/ID` or `continuous/ID` as a temporary file: by its ticket where there are tickets, by POST if
# its address would be long. A list of `path`, `headers`, and `about`, what the ticket says.
slice_file <- function(server, route, query, path = tempfile("rnaget-")) {
  requests <- requests_for(server, route, query)
  for (number in seq_along(requests)) {
    request <- requests[[number]]
    result <- tryCatch(
      receive(server$session, request$url, path, body = request$body, wanted = query$format),
      rnaget_status_error = function(error) error
    )
    if (!inherits(result, "error")) return(result)
    is_refused <- result$status %in% NOT_OFFERED || !is.null(request$body)
    if (number == length(requests) || !is_refused || result$status %in% c(401L, 429L)) stop(result)
  }
}

requests_for <- function(server, route, query) {
  ticket <- url_of(server, paste0(route, "/ticket"), query)
  file <- url_of(server, paste0(route, "/bytes"), query)
  by_url <- list(list(url = ticket), list(url = file))
  if (nchar(file) <= LONGEST_URL) return(by_url)
  body <- jsonlite::toJSON(lapply(present(query), body_value), auto_unbox = TRUE, digits = NA)
  by_body <- list(list(url = url_of(server, paste0(route, "/bytes")), body = charToRaw(enc2utf8(as.character(body)))))
  if (nchar(file) <= LONGEST_TRIED) c(by_body, by_url) else by_body
}

# In a body lists are lists, so that commas in their values are their own.
body_value <- function(value) {
  if (is_object(value)) return(value)
  if (length(value) > 1) as.list(texts_of(value)) else texts_of(value)
}
