test_that("tickets, reads and plain files arrive as they are", {
  server <- test_server()
  directory <- new_directory()
  path <- file.path(directory, "all.bam")
  site <- site_of(server)
  rna_get(paste0(site, "/reads/run"), path)
  expect_equal(unname(tools::md5sum(path)), Sys.getenv("RNAGET_TEST_BAM_MD5"))
  expect_error(rna_get(paste0(site, "/reads/run"), path), "exists")
  rna_fetch_reads(server, "run", path, "chr1:1-50", overwrite = TRUE)
  expect_true(file.size(path) > 0)
  part <- file.path(directory, "part.bam")
  rna_get(paste0(site, "/reads/run"), part, "chr1", start = 0, end = 50, data_format = "bam", resume = TRUE)
  expect_equal(tools::md5sum(part), tools::md5sum(path), ignore_attr = TRUE)
  files <- rna_files(server, "marioni")
  rna_get(files$url[1], file.path(directory, files$name[1]))
  expect_equal(unname(tools::md5sum(file.path(directory, files$name[1]))), files$md5[1])
  expect_setequal(list.files(directory, all.files = TRUE, no.. = TRUE), c("all.bam", "part.bam", files$name[1]))
})

test_that("a mistake is a clear error, and leaves no file", {
  server <- test_server()
  directory <- new_directory()
  path <- file.path(directory, "a.bam")
  expect_error(rna_get(paste0(site_of(server), "/reads/nothing"), path), "404", class = "rnaget_not_found_error")
  expect_error(rna_get(paste0(site_of(server), "/reads/run"), path, start = 5), "400")
  expect_error(rna_get(paste0(site_of(server), "/reads/run"), path, start = 5.5), "no whole number")
  expect_error(rna_get("file:///etc/passwd", path), "must begin with http")
  expect_error(rna_get("http://h/", file.path(directory, "none", "a")), "no directory")
  expect_error(rna_get("http://h/", directory), "is a directory")
  expect_length(list.files(directory, all.files = TRUE, no.. = TRUE), 0)
})

test_that("tickets that cannot be followed are refused", {
  plan <- function(text) plan_of(jsonlite::parse_json(text), "http://h/reads/x?secret=1")
  expect_null(plan("{\"id\": 1}"))
  expect_null(plan("{\"url\": \"http://h/x\"}"))
  expect_equal(plan("{\"htsget\": {\"urls\": [{\"url\": \"data:;base64,aGk=\"}, {\"url\": \"data:,a%20b\"}]}}")$blocks,
    list(list(data = charToRaw("hi")), list(data = charToRaw("a b"))))
  expect_equal(plan("{\"url\": \"/f\", \"MD5\": \"x\", \"units\": \"tsv\", \"fileType\": null}")$blocks[[1]]$url, "http://h/f")
  for (text in c("{\"htsget\": {}}", "{\"htsget\": {\"urls\": {}}}", "{\"urls\": [{}]}", "{\"urls\": [{\"url\": \"file:///x\"}]}",
                 "{\"urls\": [{\"url\": \"data:x\"}]}", "{\"urls\": [{\"url\": \"data:;base64,?\"}]}",
                 "{\"urls\": [{\"url\": \"/x\", \"headers\": [1]}]}")) {
    expect_error(plan(text), class = "rnaget_error")
  }
  expect_error(plan("{\"htsget\": {\"error\": \"NotFound\", \"message\": \"no x\"}}"), "NotFound: no x")
})

test_that("waits are as the server says", {
  expect_equal(retry_after_of(list(`retry-after` = "7")), 7)
  expect_true(is.na(retry_after_of(list(`retry-after` = "soon"))))
  later <- format(Sys.time() + 100, "%d Nov %Y %H:%M:%S GMT", tz = "GMT")
  substr(later, 4, 6) <- month.abb[as.integer(format(Sys.time() + 100, "%m", tz = "GMT"))]
  expect_equal(retry_after_of(list(`retry-after` = paste("Mon,", later))), 100, tolerance = 0.1)
  session <- new_session("http://h/", NULL, 1, 3, 0, NULL)
  expect_error(wait_after(session, list(message = "busy", retry_after = 5000), 0), "asks to wait 5000 seconds")
})
