# Requests, and a token that only the server it is for sees.

REDIRECTS <- c(301L, 302L, 303L, 307L, 308L)
# Headers that another server may see after a redirect.
HARMLESS <- c("accept", "range", "if-range", "accept-encoding")

new_session <- function(url, token, timeout, max_retries, retry_wait, headers) {
  headers <- as.list(headers)
  if (length(headers) && is.null(names(headers))) fail("headers need names: c(`X-Name` = \"value\")")
  if (!is.null(token) && nzchar(token)) {
    token <- trimws(token)
    if (!grepl("^[!-~]+$", token)) fail("the token has characters that no token has: was it copied whole?")
    headers <- headers[tolower(names(headers)) != "authorization"]
    headers$Authorization <- paste("Bearer", token)
  }
  list(
    origin = origin_of(url), headers = headers, timeout = whole_number(timeout, 1),
    max_retries = whole_number(max_retries, 0), retry_wait = as.numeric(retry_wait)
  )
}

whole_number <- function(value, least) {
  is_fit <- is.numeric(value) && length(value) == 1 && is.finite(value) && value == floor(value) && value >= least
  if (!is_fit) fail(deparse1(value), " is no whole number of at least ", least)
  value
}

# The reply of an address: `status`, `headers` with names in lower case, `body`, and `failure` if it broke off. With
# `path` the body is written there, and `seen` has the lines of the headers that have arrived. Redirects are followed
# here, so that nothing secret goes to another server.
ask <- function(session, url, headers = list(), body = NULL, path = NULL, seen = new.env()) {
  for (turn in 1:10) {
    reply <- ask_once(session, url, headers, body, path, seen)
    location <- reply$headers[["location"]]
    if (!reply$status %in% REDIRECTS || is.null(location)) return(c(reply, list(url = url)))
    target <- resolve_url(location, url)
    # Without its body a request for a part would be one for everything.
    if (reply$status == 303L) body <- NULL
    if (origin_of(target) != origin_of(url)) headers <- headers[tolower(names(headers)) %in% HARMLESS]
    url <- target
  }
  fail(shown_url(url), " is redirected too often")
}

ask_once <- function(session, url, headers, body, path, seen) {
  seen$lines <- character()
  seen$lines <- character()
  request <- new_request(session, url, headers, body, seen)
  reply <- tryCatch(httr2::req_perform(request, path = path), error = function(error) error)
  if (!inherits(reply, "error")) {
    names <- tolower(names(httr2::resp_headers(reply)))
    return(list(
      status = httr2::resp_status(reply), headers = named(as.list(httr2::resp_headers(reply)), names),
      body = if (is.null(path)) reply$body else NULL, failure = NULL
    ))
  }
  broken <- reply_of_lines(seen$lines)
  failure <- gsub("[[:space:]]+", " ", conditionMessage(reply$parent %||% reply))
  if (is.null(broken) || is.null(path)) {
    stop_if_interrupted(failure)
    fail_broken(shown_url(url), " cannot be reached: ", failure)
  }
  c(broken, list(failure = failure))
}

# libcurl makes an error of Ctrl-C, which must not be tried again.
stop_if_interrupted <- function(failure) {
  if (grepl("aborted by an application callback", failure, ignore.case = TRUE)) {
    fail("interrupted", class = "rnaget_interrupted_error")
  }
}

named <- function(values, names) {
  names(values) <- names
  values
}

new_request <- function(session, url, headers, body, seen) {
  own <- if (origin_of(url) == session$origin) session$headers else list()
  own <- own[!tolower(names(own)) %in% tolower(names(headers))]
  sent <- c(headers, own, if (!"accept" %in% tolower(names(c(headers, own)))) list(Accept = "*/*"))
  if (any(grepl("[[:cntrl:]]", unlist(sent)), grepl("[^!#-'*+.0-9A-Z^_`a-z|~-]", names(sent)))) {
    fail(shown_url(url), " cannot be asked: a header to send has a line break or no name")
  }
  request <- httr2::req_headers(httr2::request(quote_url(url)), !!!sent)
  request <- httr2::req_user_agent(request, "rnaget-R")
  request <- httr2::req_error(request, is_error = function(reply) FALSE)
  # Retries are in retries.R; of its own accord an older httr2 waits even after the last try, as long as a server says.
  request <- tryCatch(
    httr2::req_retry(request, max_tries = 1, is_transient = function(reply) FALSE, backoff = function(try) 0),
    error = function(error) request
  )
  if (!is.null(body)) request <- httr2::req_body_raw(request, body, "application/json")
  # The headers of a reply that breaks off are known only from what libcurl says while it arrives.
  listen <- function(type, message) if (type == 1L) seen$lines <- c(seen$lines, rawToChar(message))
  httr2::req_options(
    request, followlocation = FALSE, connecttimeout = session$timeout, low_speed_limit = 1,
    low_speed_time = session$timeout, verbose = TRUE, debugfunction = listen
  )
}

# Status and headers of the last reply among the lines that have arrived; NULL before any.
reply_of_lines <- function(lines) {
  lines <- sub("[\r\n]+$", "", lines)
  first <- utils::tail(grep("^HTTP/[0-9.]+ [0-9]{3}", lines), 1)
  if (!length(first) || !"" %in% lines[first:length(lines)]) return(NULL)
  fields <- grep("^[^: ]+:", lines[-seq_len(first)], value = TRUE)
  headers <- named(as.list(trimws(sub("^[^:]+:", "", fields))), tolower(sub(":.*", "", fields)))
  list(status = as.integer(sub("^HTTP/[0-9.]+ ([0-9]{3}).*", "\\1", lines[first])), headers = headers)
}

# The reason that a refusal gives.
message_of <- function(status, body) {
  value <- tryCatch(jsonlite::fromJSON(rawToChar(body), simplifyVector = FALSE), error = function(error) NULL)
  if (is.list(value) && is.list(value$htsget)) value <- value$htsget
  texts <- if (is.list(value)) Filter(is.character, value[c("message", "detail", "error", "title")])
  if (length(texts)) return(gsub("[[:space:]]+", " ", texts[[1]][1]))
  reasons <- c(
    `401` = "a valid token is needed", `403` = "not allowed", `404` = "not found", `429` = "too many requests",
    `503` = "not available at the moment"
  )
  if (status %in% names(reasons)) reasons[[as.character(status)]] else "no reason given"
}

is_page <- function(headers) {
  grepl("^\\s*(text/html|application/xhtml)", headers[["content-type"]] %||% "", ignore.case = TRUE)
}
