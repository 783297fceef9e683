# Tickets: the addresses whose contents, one after the other, are a file, and what proves that it arrived as meant.

# The plan of a ticket of htsget (of any version) or RNAget; NULL if `payload` is no ticket.
plan_of <- function(payload, url) {
  if (is.null(names(payload))) return(NULL)
  place <- shown_url(url)
  inner <- payload$htsget %||% payload
  if (!is.null(payload$htsget) && is.null(inner$urls)) {
    if (is.null(inner$error)) fail(place, " is no ticket: it has no urls")
    fail(inner$error, ": ", inner$message)
  }
  if (!is.null(inner[["urls"]])) {
    if (!is.list(inner$urls) || !is.null(names(inner$urls))) fail(place, " is no ticket: its urls are no list")
    return(list(blocks = lapply(inner$urls, block_at, url), type = text_of(inner$format), md5 = text_of(inner$md5)))
  }
  known <- c("units", "fileType", "headers", "md5", "MD5", "size")
  if (!is.character(payload[["url"]]) || !any(known %in% names(payload))) return(NULL)
  list(
    blocks = list(block_at(payload, url)), type = text_of(payload$fileType),
    md5 = text_of(payload$md5) %||% text_of(payload$MD5),
    size = if (is.numeric(payload$size)) payload$size, about = payload[setdiff(names(payload), c("url", "headers"))]
  )
}

text_of <- function(value) if (is.character(value) && length(value) == 1 && nzchar(trimws(value))) trimws(value)

# The `url` and `headers` of a block, or its `data`.
block_at <- function(one, page) {
  place <- shown_url(page)
  link <- if (is.list(one)) text_of(one$url)
  if (is.null(link)) fail(place, " is no ticket: one of its urls has no url")
  if (grepl("^data:", link, ignore.case = TRUE)) return(list(data = inline_data(link, place)))
  url <- resolve_url(link, page)
  if (!grepl("^https?://", url, ignore.case = TRUE)) {
    fail("the ticket leads to ", shown_url(url), ", which is no address of a web server")
  }
  headers <- as.list(one$headers)
  if (length(headers) && (is.null(names(headers)) || !all(vapply(headers, is.atomic, NA)))) {
    fail(place, " is no ticket: its headers are no object of texts")
  }
  list(url = url, headers = lapply(headers, as.character))
}

inline_data <- function(link, place) {
  parts <- regmatches(link, regexec("^data:([^,]*),(.*)$", link, ignore.case = TRUE))[[1]]
  if (!length(parts)) fail(place, " is no ticket: one of its data: addresses has no data")
  text <- gsub("\\s", "", utils::URLdecode(parts[3]))
  if (!grepl(";base64\\s*$", parts[2], ignore.case = TRUE)) return(charToRaw(utils::URLdecode(parts[3])))
  if (!grepl("^[A-Za-z0-9+/]*={0,2}$", text)) {
    fail(place, " is no ticket: the data in one of its addresses is no base64")
  }
  jsonlite::base64_dec(text)
}

# Whether two plans are of the same parts of the same file.
is_same_file <- function(one, other) {
  identity <- function(block) {
    list(if (!is.null(block$url)) unsigned(block$url), header_of(block$headers, "range"), block$data)
  }
  identical(lapply(one$blocks, identity), lapply(other$blocks, identity)) && identical(one$md5, other$md5)
}

header_of <- function(headers, name) {
  place <- match(name, tolower(names(headers)))
  if (!is.na(place)) headers[[place]]
}
