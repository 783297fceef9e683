# Waiting before a request is tried again.

LONGEST_WAIT <- 60
# A server that asks to wait longer is not waited for.
LONGEST_ASKED <- 900

is_temporary <- function(error) {
  status <- status_of(error)
  inherits(error, "rnaget_broken_error") || status %in% c(408L, 429L) ||
    (status >= 500L && status < 600L && !status %in% c(501L, 505L))
}

# The value of `act`, called as often as is allowed; bytes that arrive set the count of failures back.
try_again <- function(session, act) {
  failures <- 0
  repeat {
    result <- tryCatch(list(value = act()), rnaget_error = function(error) error)
    if (!inherits(result, "rnaget_error")) return(result$value)
    if (result$arrived > 0) failures <- 0
    if (!is_temporary(result) || failures >= session$max_retries) stop(result)
    wait_after(session, result, failures)
    failures <- failures + 1
  }
}

wait_after <- function(session, error, failures) {
  asked <- error$retry_after %||% NA_real_
  if (!is.na(asked) && asked > LONGEST_ASKED) {
    fail(error$message, " (the server asks to wait ", round(asked), " seconds: try again then)")
  }
  wait <- min(session$retry_wait * 2^failures, LONGEST_WAIT) * stats::runif(1, 0.5, 1)
  # A little later than asked, so that not all clients come back at once.
  Sys.sleep(if (is.na(asked)) wait else asked + min(wait, asked / 10))
}

# The seconds that a server asks to wait, as a number or as a time; NA if it asks for none.
retry_after_of <- function(headers) {
  text <- trimws(headers[["retry-after"]] %||% "")
  if (grepl("^[0-9]{1,9}$", text)) return(as.numeric(text))
  max(0, time_of(text) - as.numeric(Sys.time()))
}

# A time as HTTP writes it, in seconds; NA if it is none.
time_of <- function(text) {
  date <- regmatches(text, regexec("([0-9]{2}) ([A-Za-z]{3}) ([0-9]{4}) ([0-9:]{8}) GMT", text))[[1]]
  month <- match(date[3], month.abb)
  if (length(date) < 5 || is.na(month)) return(NA_real_)
  as.numeric(as.POSIXct(sprintf("%s-%02d-%s %s", date[4], month, date[2], date[5]), tz = "GMT", optional = TRUE))
}
