# Errors of one family, so that a caller can catch them: class `rnaget_error`, and one for each kind.

fail <- function(..., class = NULL, status = NULL, retry_after = NA_real_, arrived = 0) {
  fields <- list(message = paste0(...), call = NULL, status = status, retry_after = retry_after, arrived = arrived)
  stop(structure(fields, class = c(class, "rnaget_error", "error", "condition")))
}

fail_status <- function(status, message, retry_after = NA_real_) {
  class <- c(if (status == 404) "rnaget_not_found_error", "rnaget_status_error")
  fail(status, ": ", message, class = class, status = status, retry_after = retry_after)
}

# A server that cannot be reached at the moment, or a reply that broke off: trying again may help.
fail_broken <- function(..., arrived = 0) fail(..., class = "rnaget_broken_error", arrived = arrived)

# The status of an error that is the refusal of a server, else 0.
status_of <- function(error) if (is.null(error$status)) 0L else error$status

# Statuses by which a server says that it has no such route, or nothing of that id.
NOT_OFFERED <- c(404L, 405L, 406L, 501L)

`%||%` <- function(value, default) if (is.null(value)) default else value
