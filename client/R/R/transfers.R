# One block on its way into a file, across broken connections: what has arrived is kept, and only the rest is asked for.

# What is known of the file that is arriving; `note` is called with what proves that a later part is of the same file.
new_state <- function(validator = NULL, note = function(validator) NULL) {
  state <- new.env()
  state$validator <- validator
  state$note <- note
  state
}

# Write a block to `path`, of which its beginning may be there; the last reply.
fetch_block <- function(session, block, path, state = new_state(), body = NULL) {
  if (!is.null(block$data)) {
    writeBin(block$data, path)
    return(NULL)
  }
  try_again(session, function() fetch_rest(session, block, path, state, body))
}

fetch_rest <- function(session, block, path, state, body) {
  had <- size_of(path)
  range <- parse_range(header_of(block$headers, "range"))
  goes_on <- had > 0 && !is.null(state$validator) && is.null(body) && !is.null(range)
  headers <- c(block$headers[tolower(names(block$headers)) != "range"], list(`Accept-Encoding` = "identity"))
  if (goes_on) {
    headers$Range <- paste0("bytes=", format_number(range$first + had), "-", range$last)
    headers$`If-Range` <- state$validator
  } else {
    headers$Range <- header_of(block$headers, "range")
  }
  piece <- paste0(path, ".piece")
  seen <- new.env()
  done <- FALSE
  # Of a download that is interrupted, too, what has arrived is kept.
  on.exit({
    if (!done) try(take(reply_of_lines(seen$lines), block, path, piece, range, goes_on, state), silent = TRUE)
    unlink(piece)
  })
  reply <- ask(session, block$url, headers, body, piece, seen)
  done <- TRUE
  arrived <- take(reply, block, path, piece, range, goes_on, state)
  if (is.null(reply$failure)) return(reply)
  place <- shown_url(block$url)
  stop_if_interrupted(reply$failure)
  is_full <- grepl("failed writing", reply$failure, ignore.case = TRUE)
  if (is_full) fail(dirname(path), " cannot be written: is the disk full?")
  count <- format_number(size_of(path))
  fail_broken(place, ": the reply broke off after ", count, " bytes (", reply$failure, "): try again", arrived = arrived)
}

# Put what has arrived into its place in the file; the number of bytes that are new.
take <- function(reply, block, path, piece, range, goes_on, state) {
  had <- size_of(path)
  if (!reply$status %in% c(200L, 206L)) {
    if (goes_on && reply$status %in% c(412L, 416L)) fail_changed()
    refuse(reply, readBin(piece, "raw", min(size_of(piece), 2^20)))
  }
  if (is_page(reply$headers) && !grepl("[.]html?$", shown_url(block$url))) {
    fail(shown_url(block$url), " sends a page instead of data: is the address right?")
  }
  part <- check_range(reply, block, range, if (goes_on) had else 0)
  place <- shown_url(block$url)
  if (!is.null(part) && is.null(reply$failure) && size_of(piece) != part$length) {
    fail_broken(place, " sends a part of another length than it says: try again")
  }
  is_unmarked <- is.null(reply$headers[["content-length"]]) && is.null(reply$headers[["transfer-encoding"]])
  if (is_unmarked && size_of(piece) == 0) {
    fail_broken(shown_url(block$url), ": the reply broke off before its first byte")
  }
  is_rest <- goes_on && reply$status == 206L
  validator <- validator_of(reply$headers)
  is_same <- identical(validator, state$validator)
  if (is_rest && !is_same) fail_changed()
  arrived <- size_of(piece) - if (is_rest) 0 else if (is_same) had else 0
  if (is_rest) {
    if (!file.append(path, piece)) fail(path, " cannot be written: is the disk full?")
  } else if (is.null(reply$failure) || arrived > 0) {
    file.rename(piece, path)
  }
  state$validator <- validator
  state$note(validator)
  # The server may have ignored that only the first bytes were asked for, or sent fewer.
  if (!is.null(range) && nzchar(range$last) && size_of(path) > as.numeric(range$last) - range$first + 1) {
    fail(place, " sends the whole file where a part was asked for")
  }
  if (!is.null(part) && !part$is_all && is.null(reply$failure)) {
    fail_broken(place, " sends less of the file than was asked for: try again", arrived = max(0, arrived))
  }
  max(0, arrived)
}

# The part of a file that a reply is: its `length`, and whether it `is_all` that was asked for. NULL of all of the file.
check_range <- function(reply, block, range, had) {
  asked <- header_of(block$headers, "range")
  place <- shown_url(block$url)
  if (reply$status == 200L) {
    is_part <- !is.null(asked) && !startsWith(gsub(" ", "", asked), "bytes=0-")
    if (is_part) fail(place, " sends the whole file where a part was asked for")
    return(NULL)
  }
  if (is.null(asked) && had == 0) fail(place, " sends a part of a file where all of it was asked for")
  said <- reply$headers[["content-range"]] %||% ""
  parts <- regmatches(said, regexec("^bytes ([0-9]+)-([0-9]+)/([0-9]+|[*])$", said))[[1]]
  if (!length(parts)) fail(place, " sends a part of a file and does not say which")
  numbers <- suppressWarnings(as.numeric(parts[2:4])) # the length of the file may be unknown
  length <- numbers[2] - numbers[1] + 1
  if (is.null(range)) return(list(length = length, is_all = TRUE))
  last <- suppressWarnings(as.numeric(range$last))
  if (numbers[1] != range$first + had || isTRUE(numbers[2] > last)) {
    fail(place, " sends another part of the file than was asked for")
  }
  list(length = length, is_all = is.na(numbers[3]) || numbers[2] >= min(last, numbers[3] - 1, na.rm = TRUE))
}

# First and last byte of a range; NULL of one of another form, which cannot be gone on with.
parse_range <- function(text) {
  if (is.null(text)) return(list(first = 0, last = ""))
  parts <- regmatches(text, regexec("^ *bytes *= *([0-9]+) *- *([0-9]*) *$", text))[[1]]
  if (length(parts)) list(first = as.numeric(parts[2]), last = parts[3])
}

# What proves that a later part is of the same file: a strong ETag, else the time of its last change, unless it may have
# changed once more in that second.
validator_of <- function(headers) {
  if (!tolower(headers[["content-encoding"]] %||% "identity") %in% c("", "identity")) return(NULL)
  etag <- headers[["etag"]] %||% ""
  if (startsWith(etag, "\"")) return(etag)
  modified <- headers[["last-modified"]] %||% ""
  if (isTRUE(time_of(headers[["date"]] %||% "") - time_of(modified) >= 1)) modified
}

fail_changed <- function() {
  fail("the file has changed on the server while it was sent: try again", class = "rnaget_changed_error")
}

size_of <- function(path) {
  size <- file.size(path)
  if (is.na(size)) 0 else size
}
