library(testthat)
library(rnaget)

test_check("rnaget")
