# From a server's description to figures, as one looks at a gene in GTEx: project, study, slice, box plot by tissue, heat
# map, and a signal track where the server has some.
#
#   Rscript examples/gtex_style.R [URL] [DIRECTORY] [REGION]
#
# URL is that of a server (http://127.0.0.1:8080, where `make serve` has the demo); the figures go to DIRECTORY (figures).

library(rnaget)

given <- commandArgs(trailingOnly = TRUE)
url <- if (length(given) >= 1) given[1] else "http://127.0.0.1:8080"
directory <- if (length(given) >= 2) given[2] else "figures"
region <- if (length(given) >= 3) given[3] else "chr18:76,800,001-77,000,000"
dir.create(directory, showWarnings = FALSE, recursive = TRUE)

# Draw a figure to a PNG file, or to a PDF file where R cannot write PNG.
figure <- function(name, draw, width = 9, height = 6) {
  is_png <- capabilities("png")
  path <- file.path(directory, paste0(name, if (is_png) ".png" else ".pdf"))
  if (is_png) png(path, width, height, units = "in", res = 120) else pdf(path, width, height)
  tryCatch(draw(), finally = dev.off())
  cat("figure:", path, "\n")
}

# 1. Who is this?
server <- rna_connect(url)
info <- rna_info(server)
cat("service:", info$name, info$version, "\n")

# 2. Its first project, the first study of that, and the first matrix of that.
projects <- rna_projects(server)
studies <- rna_studies(server, project = projects$id[1])
matrices <- rna_matrices(server, study = studies$id[1])
matrix <- rna_matrix(server, matrices$id[1])
cat("project:", projects$id[1], "\nstudy:", studies$id[1], "\nmatrix:", matrix$id, "\n")

# 3. The attribute of samples that has the tissue.
obs <- rna_obs(server, matrix)
tissue <- grep("tissue", names(obs), ignore.case = TRUE, value = TRUE)[1]
if (is.na(tissue)) stop("the samples have no attribute with a tissue: ", paste(names(obs), collapse = ", "))
print(table(obs[[tissue]], dnn = tissue))

# 4. The median of each tissue, of the genes that are among the 15 highest of one.
medians <- rna_fetch(server, matrix, group_by = tissue, summary = "median", top = 15, to = "matrix")
units <- attr(medians, "origin")$units
logs <- log10(medians[complete.cases(medians), , drop = FALSE] + 1)

# 5. The gene that differs most between tissues, in all samples.
spread <- apply(logs, 1, function(row) diff(range(row, na.rm = TRUE)))
gene <- names(which.max(spread))
values <- unlist(rna_fetch(server, matrix, genes = gene))
tissues <- obs[names(values), tissue]
cat("gene:", gene, "\n")
print(tapply(values, tissues, median))

figure("box_plot", function() {
  par(mar = c(9, 5, 3, 1))
  groups <- split(log10(values + 1), tissues)
  boxplot(groups, las = 2, col = hcl.colors(length(groups), "Set 2"), main = gene, ylab = paste0("log10(", units, " + 1)"))
  stripchart(groups, vertical = TRUE, method = "jitter", pch = 19, cex = 0.6, add = TRUE)
})

figure("heat_map", function() {
  par(oma = c(0, 0, 2, 0))
  heatmap(logs, scale = "none", col = hcl.colors(100, "YlGnBu", rev = TRUE), margins = c(9, 11), cexCol = 1.2)
  mtext(paste0("log10(median ", units, " + 1)"), outer = TRUE, font = 2)
}, height = 8)

# 6. Signal along a stretch of a chromosome, in 400 bins.
draw_signal <- function(tracks) {
  signal <- rna_signal(server, tracks, region, bins = 400, summary = "mean")
  starts <- attr(signal, "starts")
  cat("tracks:", tracks, "in", region, "\n")
  figure("tracks", function() {
    par(mfrow = c(nrow(signal), 1), mar = c(4, 5, 2, 1))
    for (sample in rownames(signal)) {
      heights <- ifelse(is.nan(signal[sample, ]), 0, signal[sample, ])
      plot(starts, heights, type = "h", col = "steelblue", main = sample, xlab = region, ylab = "signal")
    }
  }, height = 1 + 2.5 * nrow(signal))
}

sets <- tryCatch(rna_tracks(server)$id, rnaget_not_offered_error = function(error) character())
if (length(sets)) draw_signal(sets[1]) else cat("tracks: this server has none\n")
