release <- function() {
  .Call(sodium_release)
}
