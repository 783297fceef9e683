# Tables with tabs, read by blocks of lines, so that a sparse matrix never takes the memory of a dense one.

# The name that the standard gives to the column of ids, in lower case.
ID_COLUMN <- "gene id"

# The table of a file: `ids`, `values` (a matrix, or a dgCMatrix), `labels` (further columns before the values), `id`
# (the name of the column of ids: `id_column`, else that of the standard, else the first) and `origin` (its comment
# lines).
read_tsv <- function(path, place, attributes = NULL, is_sparse = FALSE, cells_at_once = 2e6, id_column = NULL) {
  file <- file(path, "rt", encoding = "UTF-8")
  on.exit(close(file))
  head <- read_head(file, place)
  header <- head$header
  rows <- max(1, floor(cells_at_once / length(header)))
  blocks <- list()
  count <- NULL
  while (length(lines <- readLines(file, rows, warn = FALSE, skipNul = TRUE))) {
    cells <- split_lines(lines[nzchar(lines)], length(header), place)
    count <- count %||% label_count(cells, header, c(attributes, id_column))
    blocks[[length(blocks) + 1]] <- block_of(cells, count, header, place, is_sparse)
  }
  count <- count %||% 1
  labels <- do.call(rbind, c(list(base::matrix(character(), 0, count)), lapply(blocks, `[[`, "labels")))
  values <- joined_rows(lapply(blocks, `[[`, "values"), length(header) - count, is_sparse)
  id <- id_place(header[seq_len(count)], id_column)
  dimnames(values) <- list(make.unique(labels[, id]), header[-seq_len(count)])
  others <- seq_len(count)[-id]
  list(
    ids = labels[, id], id = header[id], values = values, origin = head$comments,
    labels = if (count > 1) stats::setNames(lapply(others, function(place) labels[, place]), header[others])
  )
}

id_place <- function(labels, id_column) {
  places <- c(match(id_column, labels), match(ID_COLUMN, tolower(labels)), 1)
  places[!is.na(places)][1]
}

# The comment lines of a table as names with values, and its line of names.
read_head <- function(file, place) {
  comments <- list()
  while (length(line <- readLines(file, 1, warn = FALSE, skipNul = TRUE))) {
    line <- sub("^\ufeff", "", line)
    if (!startsWith(line, "#")) break
    parts <- regmatches(line, regexec("^#+\\s*([^:\t]+?)\\s*[:\t]\\s*(.*?)\\s*$", line, perl = TRUE))[[1]]
    if (length(parts)) comments[[parts[2]]] <- parts[3]
  }
  if (!length(line) || !nzchar(line)) fail(place, ": the server sends an empty table")
  header <- strsplit(paste0(line, "\t"), "\t", fixed = TRUE)[[1]]
  list(comments = if (length(comments)) comments, header = unquoted(header))
}

# Labels without the quotes around those that begin with one, as in CSV.
unquoted <- function(texts) {
  is_quoted <- grepl("^\".*\"$", texts) & nchar(texts) > 1
  inner <- sub("^\"(.*)\"$", "\\1", texts[is_quoted])
  texts[is_quoted] <- gsub("\"\"", "\"", inner, fixed = TRUE)
  texts
}

split_lines <- function(lines, width, place) {
  # The last cell of a line may be empty, which strsplit would leave out.
  cells <- strsplit(paste0(lines, "\t"), "\t", fixed = TRUE)
  wrong <- which(lengths(cells) != width)
  if (length(wrong)) {
    fail(place, ": the server sends no table: ", width, " names of columns, ", lengths(cells)[wrong[1]], " cells")
  }
  base::matrix(unlist(cells), ncol = width, byrow = TRUE)
}

# The number of columns before the values: the ids, attributes of features, and whatever is no number.
label_count <- function(cells, header, attributes) {
  count <- 1
  is_label <- function(place) header[place] %in% attributes || any(is_text(numbers_of(cells[, place])))
  while (count < length(header) && is_label(count + 1)) count <- count + 1
  count
}

# Texts as numbers: NA is what is none, NaN a missing value.
numbers_of <- function(texts) {
  texts[texts %in% c("", "NA", "nan")] <- "NaN"
  suppressWarnings(as.numeric(texts))
}

is_text <- function(values) is.na(values) & !is.nan(values)

block_of <- function(cells, count, header, place, is_sparse) {
  texts <- cells[, -seq_len(count), drop = FALSE]
  values <- base::matrix(numbers_of(texts), nrow(texts))
  wrong <- which(is_text(values), arr.ind = TRUE)
  if (length(wrong)) {
    fail(place, ": the server sends a table in whose column ", header[count + wrong[1, 2]], " not all values are numbers")
  }
  labels <- cells[, seq_len(count), drop = FALSE]
  labels[] <- unquoted(labels)
  list(labels = labels, values = if (is_sparse) sparse(values) else values)
}

sparse <- function(values) {
  methods::as(methods::as(methods::as(values, "dMatrix"), "generalMatrix"), "CsparseMatrix")
}

joined_rows <- function(blocks, width, is_sparse) {
  if (!length(blocks)) blocks <- list(if (is_sparse) sparse(base::matrix(0, 0, width)) else base::matrix(0, 0, width))
  do.call(rbind, blocks)
}
