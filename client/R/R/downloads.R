# A whole file by its ticket: its blocks in order, proved by what the ticket says.

EXPIRED <- c(401L, 403L, 410L)
TICKET_BYTES <- 512 * 2^20
RESTARTS <- 3

# Write the file of a ticket, or of a plain address, to `path`: a list of `path`, `headers`, `type` and `about`. With
# `record`, the name of a file, what arrived of a download that fails stays, and the next one goes on with it.
receive <- function(session, url, path, body = NULL, wanted = NULL, verify = TRUE, record = NULL) {
  done <- FALSE
  on.exit({
    is_kept <- !is.null(record) && file.exists(record) && size_of(path) > 0
    if (!done && !is_kept) unlink(c(path, record))
  })
  wrong <- character()
  restarts <- 0
  repeat {
    result <- tryCatch(
      receive_once(session, url, path, body, wanted, verify, record),
      rnaget_changed_error = function(error) error, rnaget_mismatch_error = function(error) error
    )
    done <- !inherits(result, "error")
    if (done) return(result)
    unlink(c(path, record))
    # The same wrong bytes twice are what the server has; others were damaged on the way.
    is_lasting <- conditionMessage(result) %in% wrong && !inherits(result, "rnaget_changed_error")
    if (is_lasting || restarts >= RESTARTS) stop(result)
    wrong <- c(wrong, conditionMessage(result))
    restarts <- restarts + 1
  }
}

receive_once <- function(session, url, path, body, wanted, verify, record) {
  kept <- read_record(record, url)
  if (is.null(kept)) unlink(path)
  is_of_ticket <- isTRUE(kept$ticket)
  target <- if (is_of_ticket) tempfile("rnaget-") else path
  note <- function(ticket) function(validator) write_record(record, url, validator, ticket)
  state <- new_state(if (!is_of_ticket) kept$validator, if (is_of_ticket) function(validator) NULL else note(FALSE))
  reply <- fetch_block(session, list(url = url), target, state, body)
  plan <- ticket_in(reply, target, url)
  if (is.null(plan)) {
    if (target != path) file.rename(target, path)
    return(list(path = path, headers = reply$headers, about = list()))
  }
  unlink(target)
  check_type(plan, wanted)
  if (!is_of_ticket) unlink(record)
  renew <- function(plan) renewed(session, url, body, plan)
  state <- new_state(if (is_of_ticket) kept$validator, note(TRUE))
  headers <- fetch_blocks(session, plan, path, state, renew)
  if (verify) check_whole(path, plan)
  list(path = path, headers = headers %||% list(), type = plan$type, about = plan$about %||% list())
}

# The plan of a ticket that has arrived as `path`; NULL if that is the file itself.
ticket_in <- function(reply, path, url) {
  type <- reply$headers[["content-type"]] %||% "json"
  if (!grepl("json", type, ignore.case = TRUE) || size_of(path) > TICKET_BYTES) return(NULL)
  start <- rawToChar(Filter(as.logical, readBin(path, "raw", 4096)))
  may_be <- grepl("^\\s*\\{", start, useBytes = TRUE) && grepl("\"(htsget|urls?)\"\\s*:", start, useBytes = TRUE)
  if (!may_be) return(NULL)
  plan_of(parse_json(readBin(path, "raw", size_of(path)), url), reply$url %||% url)
}

check_type <- function(plan, wanted) {
  if (!is.null(wanted) && !is.null(plan$type) && !same_format(wanted, plan$type)) {
    fail("the server offers ", plan$type, " where ", wanted, " was asked for")
  }
}

# Write all blocks one after the other; the headers of the last reply.
fetch_blocks <- function(session, plan, path, state, renew) {
  count <- length(plan$blocks)
  if (count == 1) return(fetch_renewed(session, plan, 1, path, state, renew)$reply$headers)
  unlink(path)
  file.create(path)
  part <- paste0(path, ".block")
  on.exit(unlink(part))
  versions <- list()
  for (number in seq_len(count)) {
    unlink(part)
    state <- new_state()
    result <- fetch_renewed(session, plan, number, part, state, renew)
    plan <- result$plan
    file <- unsigned(plan$blocks[[number]]$url %||% "")
    # Blocks of one file are of one version of it; otherwise the MD5 says so in the end.
    if (is.null(plan$md5) && !identical(versions[[file]] %||% state$validator, state$validator)) fail_changed()
    versions[[file]] <- state$validator
    if (!file.append(path, part)) fail(path, " cannot be written: is the disk full?")
  }
  if (count) result$reply$headers
}

# Write one block; if its address does not hold any more, the ticket is asked for again.
fetch_renewed <- function(session, plan, number, path, state, renew) {
  renewed_at <- -1
  repeat {
    result <- tryCatch(
      list(reply = fetch_block(session, plan$blocks[[number]], path, state), plan = plan),
      rnaget_status_error = function(error) error
    )
    if (!inherits(result, "error")) return(result)
    if (!result$status %in% EXPIRED || renewed_at >= size_of(path)) stop(result)
    renewed_at <- size_of(path)
    plan <- renew(plan)
  }
}

renewed <- function(session, url, body, plan) {
  path <- tempfile("rnaget-")
  on.exit(unlink(path))
  fresh <- ticket_in(fetch_block(session, list(url = url), path, body = body), path, url)
  if (is.null(fresh) || !is_same_file(fresh, plan)) fail_changed()
  fresh
}

check_whole <- function(path, plan) {
  mismatch <- function(...) fail("the file has ", ..., " by its ticket: try again", class = "rnaget_mismatch_error")
  size <- size_of(path)
  if (!is.null(plan$size) && size != plan$size) mismatch(size, " bytes, but ", plan$size)
  if (is.null(plan$md5)) return()
  digest <- unname(tools::md5sum(path))
  if (digest != tolower(plan$md5)) mismatch("the md5 ", digest, ", but ", plan$md5)
}

# What is known of the beginning of a file that is there: its validator, and whether a ticket led to it.
read_record <- function(record, url) {
  if (is.null(record) || !file.exists(record)) return(NULL)
  known <- tryCatch(jsonlite::read_json(record), error = function(error) NULL)
  is_fit <- is.list(known) && identical(known$url, unsigned(url)) && is.character(known$validator)
  if (is_fit) known
}

write_record <- function(record, url, validator, ticket) {
  if (is.null(record)) return()
  if (is.null(validator)) return(unlink(record))
  known <- list(url = unsigned(url), validator = validator, ticket = ticket)
  jsonlite::write_json(known, record, auto_unbox = TRUE)
}
