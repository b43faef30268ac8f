total <- function(numbers) {
  .Call(sandbox_total, as.double(numbers))
}
