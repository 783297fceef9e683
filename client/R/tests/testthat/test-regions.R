test_that("regions are read as genome browsers write them", {
  expect_equal(region_of("chr1"), list(name = "chr1", start = NULL, end = NULL))
  expect_equal(region_of("chr1:1,000-2,000"), list(name = "chr1", start = 999, end = 2000))
  expect_equal(region_of("chr1:5-"), list(name = "chr1", start = 4, end = NULL))
  expect_equal(region_of("HLA-A*01:01:01:1-5"), list(name = "HLA-A*01:01:01", start = 0, end = 5))
  expect_equal(region_of(list("HLA:01:02", 3, 4)), list(name = "HLA:01:02", start = 3, end = 4))
  for (text in list("", "chr1:", "chr1:0-5", "chr1:9-5", "chr1:a-5", "chr1:,-5", 5, NA, list("x", -1), list())) {
    expect_error(region_of(text), class = "rnaget_error")
  }
})

test_that("addresses", {
  expect_equal(resolve_url("/b?x=1", "http://h:1/a/c?y"), "http://h:1/b?x=1")
  expect_equal(resolve_url("b", "http://h/a/c"), "http://h/a/b")
  expect_equal(resolve_url("//other/b", "https://h/a"), "https://other/b")
  expect_equal(resolve_url("b", "http://h"), "http://h/b")
  expect_equal(origin_of("HTTP://Host/x"), origin_of("http://host:80/y"))
  expect_false(origin_of("https://host/") == origin_of("http://host/"))
  expect_false(origin_of("http://host.evil/") == origin_of("http://host/"))
  expect_equal(query_text(list(a = c("x,y", "\u00e9 z"), n = 76800299, none = NULL, is = TRUE)), "a=x%2Cy&a=%C3%A9%20z&n=76800299&is=true")
  expect_equal(query_text(list(n = 1e5, m = 123456789)), "n=100000&m=123456789")
  expect_equal(encode(c("a b", "\u00e9", "x,y%", "-_.~")), c("a%20b", "%C3%A9", "x%2Cy%25", "-_.~"))
  expect_equal(quote_url("http://h/a b?x=[1]&y=%20\u00e9"), "http://h/a%20b?x=[1]&y=%20%C3%A9")
  expect_equal(unsigned("http://h/a?x=1&_signature=s&X-Amz-Date=d&token=t&jwt=j"), "http://h/a?x=1")
  expect_equal(shown_url("http://h/a?token=x"), "http://h/a")
})
