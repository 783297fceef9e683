#' @keywords internal
#' @importFrom Matrix Matrix
"_PACKAGE"
