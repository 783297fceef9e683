#' Letters of a sequence
#'
#' @param server A server of [rna_connect()].
#' @param genome The id of a genome.
#' @param region A text like `"chrIV:1-100"`, counted from 1 with both ends, or `list("chrIV", 0, 100)`, counted from 0
#'   without its end.
#' @return A text of letters.
#' @examples
#' \dontrun{
#' rna_sequence(server, "sacCer3_chrIV", "chrIV:1-100")
#' }
#' @export
rna_sequence <- function(server, genome, region) {
  place <- region_of(region)
  rna_refget(server, paste0(id_of(genome), ":", place$name), place$start, place$end)
}

#' A sequence by its digest or name
#'
#' @param server A server of [rna_connect()].
#' @param id The digest of a sequence, or another name of it, by refget.
#' @param start,end The part, counted from 0, without `end`.
#' @return A text of letters.
#' @examples
#' \dontrun{
#' rna_refget(server, "SQ.lZyxiD_ByprhOUzrR1o1bq0ezO_1gkrn", 0, 100)
#' }
#' @export
rna_refget <- function(server, id, start = NULL, end = NULL) {
  path <- paste0("sequence/", encode(as_text(id, "the id"), ":"))
  letters_at(server, url_of(server, path, list(start = start, end = end), at_site = TRUE))
}

#' A gene, and its letters
#'
#' @param server A server of [rna_connect()].
#' @param genome The id of a genome.
#' @param name The id of a gene, its symbol or a synonym.
#' @param on The sequence that it is on, where several genes have the name.
#' @return `rna_gene()` returns a list of all that the server says of the gene; `rna_gene_sequence()` letters in the
#'   direction of the gene.
#' @examples
#' \dontrun{
#' gene <- rna_gene(server, "sacCer3_chrIV", "YDL191W")
#' rna_gene_sequence(server, gene, "protein")
#' }
#' @export
rna_gene <- function(server, genome, name, on = NULL) {
  path <- paste0("genomes/", encode(id_of(genome)), "/features/", encode(as_text(name, "the name")))
  data <- tryCatch(get_json(server, path, list(sequence = on), at_site = TRUE), rnaget_status_error = function(error) {
    if (error$status == 300L) fail(name, " is the name of several genes: say on which sequence, by on =")
    stop(error)
  })
  new_item("gene", data)
}

#' @rdname rna_gene
#' @param gene A gene of `rna_gene()`.
#' @param kind `"gene"` for all of it with introns, or `"cdna"`, `"cds"` or `"protein"` of a transcript.
#' @param transcript The id of the transcript; without it, the canonical one, else the first that has such a sequence.
#' @export
rna_gene_sequence <- function(server, gene, kind = c("gene", "cdna", "cds", "protein"), transcript = NULL) {
  kind <- match.arg(kind)
  gene <- unclass(gene)
  if (kind != "gene") return(product_letters(server, transcript_of(gene, kind, transcript)[[kind]]))
  if (is.null(gene$location$refget)) fail(gene$id, " has no stretch of one sequence")
  letters <- product_letters(server, gene$location$refget)
  if (!as.character(gene$location$strand) %in% c("-", "-1")) return(letters)
  reversed <- paste(rev(strsplit(letters, "", fixed = TRUE)[[1]]), collapse = "")
  chartr("ACGTUNRYSWKMBDHV", "TGCAANYRSWMKVHDB", reversed)
}

transcript_of <- function(gene, kind, id) {
  known <- Filter(function(one) !is.null(one[[kind]]), gene$transcripts)
  if (!is.null(id)) known <- Filter(function(one) id %in% c(one$id, sub("[.].*", "", one$id)), known)
  known <- known[order(!vapply(known, function(one) isTRUE(one$canonical), NA))]
  if (!length(known)) fail(gene$id, " has no transcript ", id, " with a ", kind, class = "rnaget_not_found_error")
  known[[1]]
}

product_letters <- function(server, product) {
  link <- resolve_url(product$link %||% "", paste0(site_of(server), "/"))
  letters <- letters_at(server, link)
  if (!is.null(product$md5) && !grepl("start=", link) && md5_of_text(letters) != product$md5) {
    fail("the letters are not those of the digest ", product$md5, ": try again")
  }
  letters
}

md5_of_text <- function(text) {
  path <- tempfile("rnaget-")
  on.exit(unlink(path))
  writeBin(charToRaw(text), path)
  unname(tools::md5sum(path))
}

letters_at <- function(server, url) {
  accept <- "text/vnd.ga4gh.refget.v2.0.0+plain, text/plain;q=0.9, */*;q=0.1"
  letters <- rawToChar(read_url(server, url, list(Accept = accept)))
  if (!grepl("^[A-Za-z*-]*$", letters)) fail(shown_url(url), " sends no sequence: is the id right?")
  letters
}
