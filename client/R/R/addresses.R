# Addresses: their parts, their encoding, and how messages show them.

# Scheme, host and port as one text: equal for addresses of one server.
origin_of <- function(url) {
  parts <- regmatches(url, regexec("^(https?)://([^/?#]*)", url, ignore.case = TRUE))[[1]]
  if (!length(parts) || !nzchar(parts[3])) {
    fail(shown_url(url), " is no address: it must begin with http:// or https://")
  }
  if (grepl("@", parts[3], fixed = TRUE)) fail("an address cannot have a user or a password: give a token")
  scheme <- tolower(parts[2])
  port <- if (scheme == "https") ":443" else ":80"
  host <- tolower(parts[3])
  paste0(scheme, "://", if (grepl(":[0-9]+$", host)) host else paste0(sub(":$", "", host), port))
}

# An address without its query, in which secrets may be.
shown_url <- function(url) gsub("[[:cntrl:]]", " ", sub("[?#].*", "", url))

# The address that a link on a page means.
resolve_url <- function(link, page) {
  link <- trimws(link)
  if (grepl("^[a-z][a-z0-9+.-]*:", link, ignore.case = TRUE)) return(link)
  root <- sub("^([a-z]+://[^/?#]*).*", "\\1", page, ignore.case = TRUE)
  if (startsWith(link, "//")) return(paste0(sub("//.*", "", root), link))
  if (startsWith(link, "/")) return(paste0(root, link))
  if (startsWith(link, "?")) return(paste0(sub("[?#].*", "", page), link))
  path <- sub("[?#].*", "", substring(page, nchar(root) + 1))
  paste0(root, if (nzchar(path)) sub("[^/]*$", "", path) else "/", link)
}

# All that may be in an address stays as it is; anything else, such as a blank, is encoded.
quote_url <- function(url) encode_bytes(url, "[^][A-Za-z0-9._~!#$%&'()*+,/:;=?@-]")

# A text as a part of a path or a query.
encode <- function(text, keep = "") encode_bytes(text, paste0("[^A-Za-z0-9._~", keep, "-]"))

encode_bytes <- function(text, pattern) {
  text <- enc2utf8(as.character(text))
  is_coded <- grepl(paste0(pattern, "|[^ -~]"), text, useBytes = TRUE)
  text[is_coded] <- vapply(text[is_coded], function(one) {
    bytes <- charToRaw(one)
    letters <- rawToChar(bytes, multiple = TRUE)
    is_other <- bytes >= as.raw(128) | grepl(pattern, letters, useBytes = TRUE)
    letters[is_other] <- sprintf("%%%02X", as.integer(bytes[is_other]))
    paste(letters, collapse = "")
  }, "")
  text
}

# A query as it is written in an address; lists are repeated keys.
query_text <- function(query) {
  query <- present(query)
  pairs <- lapply(names(query), function(name) paste0(encode(name), "=", encode(texts_of(query[[name]]))))
  paste(unlist(pairs), collapse = "&")
}

# The parameters that have a value.
present <- function(query) query[lengths(query) > 0]

# Values of a parameter as texts; numbers are never written with an exponent.
texts_of <- function(value) {
  if (is_object(value)) return(as.character(jsonlite::toJSON(value, auto_unbox = TRUE, digits = NA)))
  if (is.list(value)) return(unlist(lapply(value, texts_of)))
  if (is.logical(value)) return(ifelse(value, "true", "false"))
  if (is.numeric(value)) return(format_number(value))
  as.character(value)
}

# A list with names, such as a threshold for each of some features.
is_object <- function(value) is.list(value) && !is.null(names(value))

format_number <- function(value) {
  vapply(value, function(one) format(one, digits = 15, scientific = FALSE, trim = TRUE), "", USE.NAMES = FALSE)
}

# Parameters that sign an address, and say until when it holds.
SIGNATURES <- "^(_?(expires|signature|sig|se|st|policy|key-pair-id|(access_?)?token|jwt)|x-(amz|goog)-[^=]*)(=|$)"

# An address without the parameters that sign it: equal for the same file.
unsigned <- function(url) {
  if (!grepl("?", url, fixed = TRUE)) return(url)
  parameters <- strsplit(sub("^[^?]*[?]", "", url), "&", fixed = TRUE)[[1]]
  kept <- grep(SIGNATURES, parameters, ignore.case = TRUE, value = TRUE, invert = TRUE)
  paste0(sub("[?].*", "", url), if (length(kept)) paste0("?", paste(kept, collapse = "&")))
}
