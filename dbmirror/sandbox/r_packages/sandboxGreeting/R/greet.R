greet <- function(name = "sandbox") {
  paste0("Hello, ", name, "!")
}
