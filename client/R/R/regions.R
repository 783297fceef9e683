# Regions as people write them: `chr1:1000-2000`, from 1, with both ends.

# The `name`, `start` and `end` of a region, counted from 0 without its end; NULL is as far as it goes. A list
# `list("chr1", 0, 100)` is counted so already.
region_of <- function(region) {
  if (is.list(region)) {
    if (!length(region) %in% 1:3) fail("a region is a text like \"chr1:1000-2000\", or list(\"chr1\", 999, 2000)")
    region <- unname(region)
    place_at <- function(place) {
      if (place <= length(region) && length(region[[place]])) whole_number(region[[place]], 0)
    }
    return(list(name = as_text(region[[1]], "the sequence"), start = place_at(2), end = place_at(3)))
  }
  text <- trimws(as_text(region, "a region"))
  parts <- regmatches(text, regexec("^(.+):([0-9,]+)(-([0-9,]*))?$", text))[[1]]
  if (!length(parts)) {
    if (grepl(":[^:]*-[0-9]*$|:$", text)) fail("\"", text, "\" is no region: write it like chr1:1000-2000")
    return(list(name = text, start = NULL, end = NULL))
  }
  number <- function(digits) if (grepl("[0-9]", digits)) as.numeric(gsub(",", "", digits))
  start <- number(parts[3])
  end <- number(parts[5])
  if (is.null(start) || start < 1) fail("\"", text, "\" is no region: the first base is 1")
  if (!is.null(end) && end < start) fail("\"", text, "\" is no region: it ends before it starts")
  list(name = parts[2], start = start - 1, end = end)
}
