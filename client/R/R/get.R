#' Download a file by htsget, RNAget, or a plain address
#'
#' The arguments are those of the Python library `htsget`, in the same order. A file appears under its name when it is
#' complete and has the MD5 and size of its ticket; what fails leaves nothing there, and what was there before as it
#' was. Broken connections are gone on with, 408, 429 and most of 5xx tried again. Token and headers go to the host of
#' `url` alone, never to other hosts of a ticket or a redirect.
#'
#' @param url The address of reads or variants (`https://HOST/reads/ID`), of a ticket of RNAget, or of any file.
#' @param output The name of the file.
#' @param reference_name,reference_md5 The sequence whose records are wanted, by name or by the MD5 of its letters.
#' @param start,end The range in it, counted from 0, without `end`.
#' @param fields,tags,notags The fields of records that are wanted, and the tags that are wanted or not.
#' @param data_format The format, such as `"BAM"`.
#' @param max_retries,retry_wait Failures in succession that are allowed, and seconds of the first wait.
#' @param timeout Seconds for a connection, and for a reply to go on.
#' @param bearer_token,headers A token and further headers, by name, which the server of `url` alone is sent.
#' @param resume Keep what arrived of a download that fails as `OUTPUT.part`, and go on from there the next time.
#' @param verify Compare the file with the MD5 and size of its ticket.
#' @param overwrite Whether a file that exists is replaced.
#' @return The name of the file, invisibly.
#' @examples
#' \dontrun{
#' rna_get("http://127.0.0.1:8080/reads/na12878_chrM", "region.bam", "chrM", start = 0, end = 1000)
#' }
#' @export
rna_get <- function(url, output, reference_name = NULL, reference_md5 = NULL, start = NULL, end = NULL, fields = NULL,
                    tags = NULL, notags = NULL, data_format = NULL, max_retries = 5, retry_wait = 5, timeout = 120,
                    bearer_token = NULL, headers = NULL, resume = FALSE, verify = TRUE, overwrite = FALSE) {
  check_output(output, overwrite)
  url <- request_address(
    as_text(url, "url"), reference_name, reference_md5, start, end, data_format,
    list(fields = fields, tags = tags, notags = notags)
  )
  session <- new_session(url, bearer_token, timeout, max_retries, retry_wait, headers)
  get_file(session, url, output, data_format, resume, verify)
}

#' Records of reads or variants as a file
#'
#' @param server A server of [rna_connect()].
#' @param reads The id of reads or variants.
#' @param region A text like `"chr11:4,999,977-5,010,000"`, counted from 1 with both ends; without it, all records.
#' @param kind `"reads"` or `"variants"`.
#' @param format The format, such as `"CRAM"`.
#' @inheritParams rna_get
#' @return The name of the file, invisibly.
#' @examples
#' \dontrun{
#' rna_fetch_reads(server, "na12878_chrM", "region.bam", "chrM:1-1,000")
#' }
#' @export
rna_fetch_reads <- function(server, reads, output, region = NULL, kind = c("reads", "variants"), format = NULL,
                            fields = NULL, tags = NULL, notags = NULL, resume = FALSE, overwrite = FALSE) {
  check_output(output, overwrite)
  place <- if (is.null(region)) list() else region_of(region)
  url <- paste0(site_of(server), "/", match.arg(kind), "/", encode(id_of(reads), "/"))
  lists <- list(fields = fields, tags = tags, notags = notags)
  url <- request_address(url, place$name, NULL, place$start, place$end, format, lists)
  get_file(server$session, url, output, format, resume)
}

get_file <- function(session, url, output, wanted, resume, verify = TRUE) {
  path <- if (resume) paste0(output, ".part") else temporary_for(output)
  record <- if (resume) paste0(path, ".json")
  receive(session, url, path, wanted = wanted, verify = verify, record = record)
  unlink(record)
  publish(path, output)
}

# The address of a request; parameters take the place of those that `url` has.
request_address <- function(url, reference_name, reference_md5, start, end, data_format, lists) {
  url <- trimws(url)
  origin_of(url)
  is_signal <- grepl("/continuous(/.*)?/(ticket|bytes)$", shown_url(url))
  is_htsget <- !is.null(data_format) && tolower(data_format) %in% c("bam", "cram", "vcf", "bcf")
  if (is_htsget) data_format <- toupper(data_format)
  given <- list(
    name = reference_name, referenceMD5 = reference_md5, start = if (!is.null(start)) whole_number(start, 0),
    end = if (!is.null(end)) whole_number(end, 0), format = data_format
  )
  names(given)[1] <- if (is_signal) "chr" else "referenceName"
  given <- present(c(given, lapply(lists, function(values) if (length(values)) paste(values, collapse = ","))))
  if (!length(given)) return(url)
  url <- sub("#.*", "", url)
  had <- if (grepl("?", url, fixed = TRUE)) strsplit(sub("^[^?]*[?]", "", url), "&", fixed = TRUE)[[1]]
  kept <- had[!sub("=.*", "", had) %in% names(given)]
  own <- paste0(names(given), "=", vapply(given, function(value) encode(texts_of(value), ","), ""))
  paste0(sub("[?].*", "", url), "?", paste(c(kept, own), collapse = "&"))
}

check_output <- function(output, overwrite) {
  as_text(output, "output")
  if (!dir.exists(dirname(output))) fail(dirname(output), " is no directory")
  if (dir.exists(output)) fail(output, " is a directory: name a file")
  if (file.exists(output) && !overwrite) fail(output, " exists: choose another name, or overwrite = TRUE")
}

# A file in the directory of `output`, so that it can take its name at once.
temporary_for <- function(output) tempfile(paste0(".", basename(output), "-"), dirname(output))

publish <- function(path, output) {
  if (!suppressWarnings(file.rename(path, output))) {
    unlink(path)
    fail(output, " cannot be written")
  }
  invisible(output)
}
