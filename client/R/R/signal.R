#' Signal in a region
#'
#' @inheritParams rna_fetch
#' @param tracks The id of a set of tracks.
#' @param region A text like `"chr18:76,800,300-77,000,000"`, counted from 1 with both ends, as genome browsers have it;
#'   or `list("chr18", 76800299, 77000000)`, counted from 0 without its end.
#' @param bins So many columns, in place of one for each base.
#' @param summary How a bin is summarised: `mean`, `min`, `max` or `coverage`.
#' @param approximate Whether bins may come from the zoom levels of the files, which is fast.
#' @return A matrix: tracks as rows, bases or bins as columns, called by where they start, from 0. The attribute `origin`
#'   says where it comes from, `starts` has the starts as numbers.
#' @examples
#' \dontrun{
#' signal <- rna_signal(server, "er", "chr18:76,800,300-77,000,000", bins = 200, summary = "max")
#' plot(attr(signal, "starts"), signal[1, ], type = "h")
#' }
#' @export
rna_signal <- function(server, tracks, region, bins = NULL, summary = NULL, samples = NULL, where = NULL, units = NULL,
                       approximate = NULL) {
  id <- id_of(tracks)
  place <- region_of(region)
  query <- slice_query(samples = samples, where = where, units = units, summary = summary)
  own <- list(
    chr = place$name, start = place$start, end = place$end, bins = if (!is.null(bins)) whole_number(bins, 1),
    approximate = approximate
  )
  query <- present(c(own, query))
  file <- slice_file(server, paste0("continuous/", encode(id)), c(query, list(format = "tsv")))
  on.exit(unlink(file$path))
  table <- read_tsv(file$path, id)
  values <- table$values
  starts <- suppressWarnings(as.numeric(sub("^.*:([0-9]+)(-[0-9]+)?$", "\\1", colnames(values))))
  if (!anyNA(starts)) colnames(values) <- format_number(starts)
  about <- new_item("tracks", list(id = id))
  structure(values, starts = starts, origin = origin_list(server, about, file, query, table$origin, "tracks"))
}
